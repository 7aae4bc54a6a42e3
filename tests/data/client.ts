// The types in api.ts are generated from the OpenAPI document; tsc checks this file against them.
import createClient from "openapi-fetch";
import type { paths } from "./api.js";

const client = createClient<paths>({ baseUrl: process.argv[2] });

function ok<T>({ data, error, response }: { data?: T; error?: unknown; response: Response }): T {
  if (!response.ok) throw new Error(`${response.status} ${JSON.stringify(error)}`);
  return data as T;
}

const account = { username: "tess", password: "Correct-Horse-7" };
ok(await client.POST("/api/v1/auth/register", { body: account }));
const { access_token, user } = ok(await client.POST("/api/v1/auth/login", { body: account }));
const headers = { Authorization: `Bearer ${access_token}` };

const created = ok(await client.POST("/api/v1/tasks", {
  body: { title: "Write the README", tags: ["docs"], due_at: "2026-12-01T09:00:00Z" },
  headers,
}));
const query = { status: ["todo" as const], sort_by: "-due_at" };
const { items, total } = ok(await client.GET("/api/v1/tasks", { params: { query }, headers }));
const params = { path: { task_id: created.id } };
const patched = ok(
  await client.PATCH("/api/v1/tasks/{task_id}", { params, body: { status: "done" }, headers }),
);
ok(await client.DELETE("/api/v1/tasks/{task_id}", { params, headers }));
const missing = await client.GET("/api/v1/tasks/{task_id}", { params, headers });

console.log(JSON.stringify({
  isOwn: created.user_id === user.id,
  listed: items.map((task) => task.title),
  total,
  status: patched.status,
  completed: patched.completed_at !== null,
  code: missing.error && "error" in missing.error && missing.error.error.code,
}));
