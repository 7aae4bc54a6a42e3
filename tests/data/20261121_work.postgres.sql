SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.calendars (
    user_id bigint NOT NULL,
    token_hash character varying(64) NOT NULL,
    created_at timestamp with time zone NOT NULL
);
CREATE TABLE public.deliveries (
    id bigint NOT NULL,
    webhook_id bigint NOT NULL,
    event_id bigint NOT NULL,
    event character varying(40) NOT NULL,
    status character varying(9) NOT NULL,
    attempts integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_attempt_at timestamp with time zone,
    next_attempt_at timestamp with time zone,
    delivered_at timestamp with time zone,
    status_code integer,
    error character varying(200)
);
CREATE SEQUENCE public.deliveries_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.deliveries_id_seq OWNED BY public.deliveries.id;
CREATE TABLE public.events (
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    actor_id bigint,
    action character varying(40) NOT NULL,
    task_id bigint,
    user_id bigint,
    is_audit boolean NOT NULL,
    version integer,
    changes text NOT NULL,
    task text,
    address character varying(45),
    request_id character varying(128)
);
CREATE SEQUENCE public.events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.events_id_seq OWNED BY public.events.id;
CREATE TABLE public.idempotency_keys (
    user_id bigint NOT NULL,
    key_hash character varying(64) NOT NULL,
    body_hash character varying(64) NOT NULL,
    status integer NOT NULL,
    headers text NOT NULL,
    body text NOT NULL,
    created_at timestamp with time zone NOT NULL
);
CREATE TABLE public.import_batches (
    job_id bigint NOT NULL,
    number integer NOT NULL,
    rows text NOT NULL
);
CREATE TABLE public.job_uploads (
    job_id bigint NOT NULL,
    format character varying(4) NOT NULL,
    body text NOT NULL
);
CREATE TABLE public.jobs (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    kind character varying(20) NOT NULL,
    status character varying(7) NOT NULL,
    done integer NOT NULL,
    total integer,
    result text,
    error text,
    attempts integer NOT NULL,
    run_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    address character varying(45),
    request_id character varying(128),
    claimed_at timestamp with time zone,
    leased_by character varying(40),
    leased_until timestamp with time zone
);
CREATE SEQUENCE public.jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.jobs_id_seq OWNED BY public.jobs.id;
CREATE TABLE public.login_accounts (
    account character varying(70) NOT NULL,
    in_a_row integer NOT NULL,
    last_failure_at timestamp with time zone NOT NULL
);
CREATE TABLE public.login_failures (
    id bigint NOT NULL,
    account character varying(70) NOT NULL,
    address character varying(45) NOT NULL,
    at timestamp with time zone NOT NULL
);
CREATE SEQUENCE public.login_failures_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.login_failures_id_seq OWNED BY public.login_failures.id;
CREATE TABLE public.password_resets (
    user_id bigint NOT NULL,
    token_hash character varying(64) NOT NULL,
    expires_at timestamp with time zone NOT NULL
);
CREATE TABLE public.personal_tokens (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    name character varying(100) NOT NULL,
    scope character varying(5) NOT NULL,
    prefix character varying(12) NOT NULL,
    token_hash character varying(64) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone
);
CREATE SEQUENCE public.personal_tokens_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.personal_tokens_id_seq OWNED BY public.personal_tokens.id;
CREATE TABLE public.sessions (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    generation integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone NOT NULL,
    rotated_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    address character varying(45) NOT NULL,
    agent character varying(200) NOT NULL
);
CREATE SEQUENCE public.sessions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.sessions_id_seq OWNED BY public.sessions.id;
CREATE TABLE public.tasks (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    title character varying(200) NOT NULL,
    title_key text NOT NULL COLLATE pg_catalog."C",
    description text,
    description_key text,
    status smallint NOT NULL,
    priority smallint NOT NULL,
    due_at timestamp with time zone,
    tags text NOT NULL,
    tags_key text NOT NULL,
    completed_at timestamp with time zone,
    deleted_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    version integer NOT NULL,
    is_overdue_told boolean DEFAULT false NOT NULL
);
CREATE SEQUENCE public.tasks_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tasks_id_seq OWNED BY public.tasks.id;
CREATE TABLE public.users (
    id bigint NOT NULL,
    username character varying(50),
    name_key character varying(320) NOT NULL,
    email character varying(254),
    email_key character varying(320),
    password_hash character varying(60) NOT NULL,
    role character varying(5) NOT NULL,
    is_active boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    version integer NOT NULL
);
CREATE SEQUENCE public.users_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.users_id_seq OWNED BY public.users.id;
CREATE TABLE public.webhooks (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    url character varying(2000) NOT NULL,
    events character varying(200) NOT NULL,
    is_active boolean NOT NULL,
    secret character varying(200) NOT NULL,
    old_secret character varying(200),
    old_secret_until timestamp with time zone,
    failing_since timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    claimed_at timestamp with time zone,
    leased_by character varying(40),
    leased_until timestamp with time zone
);
CREATE SEQUENCE public.webhooks_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.webhooks_id_seq OWNED BY public.webhooks.id;
CREATE TABLE public.workers (
    name character varying(40) NOT NULL,
    started_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL
);
ALTER TABLE ONLY public.deliveries ALTER COLUMN id SET DEFAULT nextval('public.deliveries_id_seq'::regclass);
ALTER TABLE ONLY public.events ALTER COLUMN id SET DEFAULT nextval('public.events_id_seq'::regclass);
ALTER TABLE ONLY public.jobs ALTER COLUMN id SET DEFAULT nextval('public.jobs_id_seq'::regclass);
ALTER TABLE ONLY public.login_failures ALTER COLUMN id SET DEFAULT nextval('public.login_failures_id_seq'::regclass);
ALTER TABLE ONLY public.personal_tokens ALTER COLUMN id SET DEFAULT nextval('public.personal_tokens_id_seq'::regclass);
ALTER TABLE ONLY public.sessions ALTER COLUMN id SET DEFAULT nextval('public.sessions_id_seq'::regclass);
ALTER TABLE ONLY public.tasks ALTER COLUMN id SET DEFAULT nextval('public.tasks_id_seq'::regclass);
ALTER TABLE ONLY public.users ALTER COLUMN id SET DEFAULT nextval('public.users_id_seq'::regclass);
ALTER TABLE ONLY public.webhooks ALTER COLUMN id SET DEFAULT nextval('public.webhooks_id_seq'::regclass);
INSERT INTO public.alembic_version VALUES ('20261121_work');
INSERT INTO public.calendars VALUES (2, 'fc0839fbf44e454709b533fe403f73e9af264ca7b4df1c2cd7a968bf3013de70', '2026-11-27 00:12:15.967134+00');
INSERT INTO public.deliveries VALUES (1, 1, 18, 'task.created', 'delivered', 1, '2026-11-27 00:12:15.942038+00', '2026-11-27 00:12:16.006308+00', NULL, '2026-11-27 00:12:16.006308+00', 204, NULL);
INSERT INTO public.deliveries VALUES (2, 1, 20, 'task.completed', 'delivered', 1, '2026-11-27 00:12:15.951036+00', '2026-11-27 00:12:16.057152+00', NULL, '2026-11-27 00:12:16.057152+00', 204, NULL);
INSERT INTO public.deliveries VALUES (3, 1, 22, 'task.created', 'delivered', 1, '2026-11-27 00:12:15.956985+00', '2026-11-27 00:12:16.057491+00', NULL, '2026-11-27 00:12:16.057491+00', 204, NULL);
INSERT INTO public.deliveries VALUES (4, 1, 23, 'task.created', 'delivered', 1, '2026-11-27 00:12:15.958831+00', '2026-11-27 00:12:16.057717+00', NULL, '2026-11-27 00:12:16.057717+00', 204, NULL);
INSERT INTO public.deliveries VALUES (5, 1, 25, 'task.created', 'delivered', 1, '2026-11-27 00:12:15.962026+00', '2026-11-27 00:12:16.057968+00', NULL, '2026-11-27 00:12:16.057968+00', 204, NULL);
INSERT INTO public.deliveries VALUES (6, 1, 30, 'task.overdue', 'delivered', 1, '2026-11-27 00:12:15.978+00', '2026-11-27 00:12:16.058178+00', NULL, '2026-11-27 00:12:16.058178+00', 204, NULL);
INSERT INTO public.deliveries VALUES (7, 1, 132, 'task.created', 'pending', 1, '2026-11-27 00:12:16.101201+00', '2026-11-27 00:12:16.101201+00', '2026-11-27 00:12:16.101201+00', NULL, 500, 'HTTP 500');
INSERT INTO public.events VALUES (1, '2026-11-27 00:12:15.884022+00', 1, 'user.created', NULL, 1, true, NULL, '{"role":[null,"admin"]}', NULL, '127.0.0.1', 'e33859e7-36f7-4ae7-8ba3-f4fd6310738c');
INSERT INTO public.events VALUES (2, '2026-11-27 00:12:15.89308+00', 1, 'session.started', NULL, 1, true, NULL, '{}', NULL, '127.0.0.1', 'fc146ef9-e81e-40ba-b6b3-3bfba39954d3');
INSERT INTO public.events VALUES (3, '2026-11-27 00:12:15.900011+00', NULL, 'user.created', NULL, 2, true, NULL, '{"role":[null,"user"]}', NULL, '127.0.0.1', '4f2527c4-c046-4fcf-8d92-a0b62dd29cc0');
INSERT INTO public.events VALUES (4, '2026-11-27 00:12:15.900646+00', 2, 'session.started', NULL, 2, true, NULL, '{}', NULL, '127.0.0.1', '4f2527c4-c046-4fcf-8d92-a0b62dd29cc0');
INSERT INTO public.events VALUES (5, '2026-11-27 00:12:15.903103+00', NULL, 'user.created', NULL, 3, true, NULL, '{"role":[null,"user"]}', NULL, '127.0.0.1', 'f16947ae-04da-4c96-8a71-c1aade2d6a33');
INSERT INTO public.events VALUES (6, '2026-11-27 00:12:15.903456+00', 3, 'session.started', NULL, 3, true, NULL, '{}', NULL, '127.0.0.1', 'f16947ae-04da-4c96-8a71-c1aade2d6a33');
INSERT INTO public.events VALUES (7, '2026-11-27 00:12:15.905704+00', NULL, 'user.created', NULL, 4, true, NULL, '{"role":[null,"user"]}', NULL, '127.0.0.1', 'd5b705b8-5e93-43cc-a870-91adbef9c032');
INSERT INTO public.events VALUES (8, '2026-11-27 00:12:15.906037+00', 4, 'session.started', NULL, 4, true, NULL, '{}', NULL, '127.0.0.1', 'd5b705b8-5e93-43cc-a870-91adbef9c032');
INSERT INTO public.events VALUES (9, '2026-11-27 00:12:15.910673+00', 1, 'user.updated', NULL, 4, true, NULL, '{"is_active":[true,false]}', NULL, '127.0.0.1', '48c5db54-f3f1-422e-b273-2fc89c3e44f1');
INSERT INTO public.events VALUES (10, '2026-11-27 00:12:15.911154+00', 1, 'session.all_ended', NULL, 4, true, NULL, '{}', NULL, '127.0.0.1', '48c5db54-f3f1-422e-b273-2fc89c3e44f1');
INSERT INTO public.events VALUES (11, '2026-11-27 00:12:15.918715+00', 2, 'session.started', NULL, 2, true, NULL, '{}', NULL, '127.0.0.1', 'd4b2ed29-bf8b-4ffe-b7ca-f4734a1920e3');
INSERT INTO public.events VALUES (12, '2026-11-27 00:12:15.921261+00', 2, 'session.ended', NULL, 2, true, NULL, '{}', NULL, '127.0.0.1', '2a7a94b4-2c65-4041-9699-6cd08f700047');
INSERT INTO public.events VALUES (13, '2026-11-27 00:12:15.923628+00', NULL, 'login.failed', NULL, NULL, true, NULL, '{}', NULL, '127.0.0.1', 'e2faced9-bb16-4a8e-b980-055518e9b5fd');
INSERT INTO public.events VALUES (14, '2026-11-27 00:12:15.92884+00', 1, 'password.reset_offered', NULL, 4, true, NULL, '{}', NULL, '127.0.0.1', '67a42b33-c649-4a9e-b280-fae1c330b979');
INSERT INTO public.events VALUES (15, '2026-11-27 00:12:15.933194+00', 2, 'webhook.created', NULL, 2, true, NULL, '{}', NULL, '127.0.0.1', '5cc32b2d-1c9b-4854-8fc7-d00eef0231d6');
INSERT INTO public.events VALUES (16, '2026-11-27 00:12:15.935426+00', 2, 'webhook.secret_rotated', NULL, 2, true, NULL, '{}', NULL, '127.0.0.1', '5ea25f35-b4b3-4f08-9130-7d8e8a335448');
INSERT INTO public.events VALUES (17, '2026-11-27 00:12:15.937453+00', 3, 'webhook.created', NULL, 3, true, NULL, '{}', NULL, '127.0.0.1', '75329d7c-640d-459b-a8d7-76860e9d19cd');
INSERT INTO public.events VALUES (18, '2026-11-27 00:12:15.941792+00', 2, 'task.created', 1, 2, false, 1, '{}', '{"user_id":2,"title":"Über","description":"Straße 7,\nsecond line","status":"todo","priority":"high","due_at":null,"tags":["docs","Plan"],"completed_at":null,"created_at":"2026-11-27T00:12:15.941180Z","updated_at":"2026-11-27T00:12:15.941180Z","version":1}', '127.0.0.1', 'e5ab3dbf-f6fe-4455-b965-80bd13471666');
INSERT INTO public.events VALUES (19, '2026-11-27 00:12:15.94842+00', 2, 'task.updated', 1, 2, false, 2, '{"status":["todo","in_progress"]}', '{"user_id":2,"title":"Über","description":"Straße 7,\nsecond line","status":"in_progress","priority":"high","due_at":null,"tags":["docs","Plan"],"completed_at":null,"created_at":"2026-11-27T00:12:15.941180Z","updated_at":"2026-11-27T00:12:15.947721Z","version":2}', '127.0.0.1', '1bff14a4-2c67-4b64-bd1b-574ab496f2db');
INSERT INTO public.events VALUES (20, '2026-11-27 00:12:15.951026+00', 2, 'task.completed', 1, 2, false, 3, '{"status":["in_progress","done"],"title":["Über","Überall"]}', '{"user_id":2,"title":"Überall","description":"Straße 7,\nsecond line","status":"done","priority":"high","due_at":null,"tags":["docs","Plan"],"completed_at":"2026-11-27T00:12:15.950993Z","created_at":"2026-11-27T00:12:15.941180Z","updated_at":"2026-11-27T00:12:15.950993Z","version":3}', '127.0.0.1', '8ef12ca6-fc1b-4dcd-8fd1-0911a4daf4a7');
INSERT INTO public.events VALUES (21, '2026-11-27 00:12:15.953766+00', 1, 'task.updated', 1, 2, true, 4, '{"due_at":[null,"2030-01-02T02:04:05.678901Z"]}', '{"user_id":2,"title":"Überall","description":"Straße 7,\nsecond line","status":"done","priority":"high","due_at":"2030-01-02T02:04:05.678901Z","tags":["docs","Plan"],"completed_at":"2026-11-27T00:12:15.950993Z","created_at":"2026-11-27T00:12:15.941180Z","updated_at":"2026-11-27T00:12:15.953730Z","version":4}', '127.0.0.1', '9f2ff761-b1e6-4af3-859f-4db07a14c5af');
INSERT INTO public.events VALUES (22, '2026-11-27 00:12:15.956977+00', 2, 'task.created', 2, 2, false, 1, '{}', '{"user_id":2,"title":"late","description":null,"status":"todo","priority":"medium","due_at":"2020-01-01T00:00:00.000000Z","tags":[],"completed_at":null,"created_at":"2026-11-27T00:12:15.956952Z","updated_at":"2026-11-27T00:12:15.956952Z","version":1}', '127.0.0.1', '876c8475-6274-4b8c-ae4d-cf97e1cc20d5');
INSERT INTO public.events VALUES (23, '2026-11-27 00:12:15.958824+00', 2, 'task.created', 3, 2, false, 1, '{}', '{"user_id":2,"title":"In the trash","description":null,"status":"todo","priority":"medium","due_at":null,"tags":["plan"],"completed_at":null,"created_at":"2026-11-27T00:12:15.958804Z","updated_at":"2026-11-27T00:12:15.958804Z","version":1}', '127.0.0.1', 'f175b1ad-618d-465f-8189-ab975870f3d5');
INSERT INTO public.events VALUES (24, '2026-11-27 00:12:15.960734+00', 2, 'task.deleted', 3, 2, false, 2, '{"deleted_at":[null,"2026-11-27T00:12:15.960300Z"]}', '{"user_id":2,"title":"In the trash","description":null,"status":"todo","priority":"medium","due_at":null,"tags":["plan"],"completed_at":null,"created_at":"2026-11-27T00:12:15.958804Z","updated_at":"2026-11-27T00:12:15.960303Z","version":2}', '127.0.0.1', '04690ef2-0dda-4be9-b87b-69db83c0bc34');
INSERT INTO public.events VALUES (25, '2026-11-27 00:12:15.96202+00', 2, 'task.created', 4, 2, false, 1, '{}', '{"user_id":2,"title":"Back again","description":null,"status":"todo","priority":"low","due_at":null,"tags":[],"completed_at":null,"created_at":"2026-11-27T00:12:15.962001Z","updated_at":"2026-11-27T00:12:15.962001Z","version":1}', '127.0.0.1', '861b566a-a471-493f-8779-273b9a3080de');
INSERT INTO public.events VALUES (26, '2026-11-27 00:12:15.963234+00', 2, 'task.deleted', 4, 2, false, 2, '{"deleted_at":[null,"2026-11-27T00:12:15.963211Z"]}', '{"user_id":2,"title":"Back again","description":null,"status":"todo","priority":"low","due_at":null,"tags":[],"completed_at":null,"created_at":"2026-11-27T00:12:15.962001Z","updated_at":"2026-11-27T00:12:15.963215Z","version":2}', '127.0.0.1', 'ef3ee382-3d4c-4e28-ac95-4bfd0396061f');
INSERT INTO public.events VALUES (27, '2026-11-27 00:12:15.965122+00', 2, 'task.restored', 4, 2, false, 3, '{"deleted_at":["2026-11-27T00:12:15.963211Z",null]}', '{"user_id":2,"title":"Back again","description":null,"status":"todo","priority":"low","due_at":null,"tags":[],"completed_at":null,"created_at":"2026-11-27T00:12:15.962001Z","updated_at":"2026-11-27T00:12:15.965097Z","version":3}', '127.0.0.1', '6bbb25cc-43c2-43b6-8867-0c31b0aabd48');
INSERT INTO public.events VALUES (28, '2026-11-27 00:12:15.96621+00', 3, 'task.created', 5, 3, false, 1, '{}', '{"user_id":3,"title":"Ben''s","description":null,"status":"todo","priority":"medium","due_at":null,"tags":[],"completed_at":null,"created_at":"2026-11-27T00:12:15.966191Z","updated_at":"2026-11-27T00:12:15.966191Z","version":1}', '127.0.0.1', 'd72c6539-1e85-4a70-a3c3-20a029e91611');
INSERT INTO public.events VALUES (29, '2026-11-27 00:12:15.968082+00', 2, 'calendar.created', NULL, 2, true, NULL, '{}', NULL, '127.0.0.1', '0e3cfd02-78e7-40e8-8c68-b7b7b91b90b0');
INSERT INTO public.events VALUES (30, '2026-11-27 00:12:15.977977+00', NULL, 'task.overdue', 2, 2, false, 1, '{}', '{"user_id":2,"title":"late","description":null,"status":"todo","priority":"medium","due_at":"2020-01-01T00:00:00.000000Z","tags":[],"completed_at":null,"created_at":"2026-11-27T00:12:15.956952Z","updated_at":"2026-11-27T00:12:15.956952Z","version":1}', NULL, NULL);
INSERT INTO public.events VALUES (31, '2026-11-27 00:12:16.005106+00', 3, 'task.created', 6, 3, false, 1, '{}', NULL, '127.0.0.1', 'dfba1124-2e2d-4ec5-b2b5-c95b385206fd');
INSERT INTO public.events VALUES (32, '2026-11-27 00:12:16.005106+00', 3, 'task.created', 7, 3, false, 1, '{}', NULL, '127.0.0.1', 'dfba1124-2e2d-4ec5-b2b5-c95b385206fd');
INSERT INTO public.events VALUES (33, '2026-11-27 00:12:16.005106+00', 3, 'task.created', 8, 3, false, 1, '{}', NULL, '127.0.0.1', 'dfba1124-2e2d-4ec5-b2b5-c95b385206fd');
INSERT INTO public.events VALUES (34, '2026-11-27 00:12:16.005106+00', 3, 'task.created', 9, 3, false, 1, '{}', NULL, '127.0.0.1', 'dfba1124-2e2d-4ec5-b2b5-c95b385206fd');
INSERT INTO public.events VALUES (35, '2026-11-27 00:12:16.005106+00', 3, 'task.created', 10, 3, false, 1, '{}', NULL, '127.0.0.1', 'dfba1124-2e2d-4ec5-b2b5-c95b385206fd');
INSERT INTO public.events VALUES (132, '2026-11-27 00:12:16.10119+00', 2, 'task.created', 107, 2, false, 1, '{}', '{"user_id":2,"title":"Not delivered","description":null,"status":"todo","priority":"medium","due_at":null,"tags":[],"completed_at":null,"created_at":"2026-11-27T00:12:16.101159Z","updated_at":"2026-11-27T00:12:16.101159Z","version":1}', '127.0.0.1', 'b6c4ebfc-46c2-4da2-9249-70d813586a71');
INSERT INTO public.events VALUES (133, '2026-11-27 00:12:16.11162+00', 2, 'session.started', NULL, 2, true, NULL, '{}', NULL, '127.0.0.1', '455d430f-31e3-4840-a6c2-ec255c6f0caa');
INSERT INTO public.events VALUES (134, '2026-11-27 00:12:16.115413+00', NULL, 'login.failed', NULL, 2, true, NULL, '{}', NULL, '127.0.0.1', 'a6e6ebff-7021-463d-a210-641951785fc6');
INSERT INTO public.events VALUES (135, '2026-11-27 00:12:16.121971+00', 1, 'token.created', NULL, 1, true, NULL, '{"name":[null,"kept"],"scope":[null,"admin"]}', NULL, '127.0.0.1', '1df678c9-6caf-403d-a074-e3ec053d0987');
INSERT INTO public.events VALUES (136, '2026-11-27 00:12:16.123971+00', 2, 'token.created', NULL, 2, true, NULL, '{"name":[null,"kept"],"scope":[null,"write"]}', NULL, '127.0.0.1', '2f287da9-20ab-4f90-a7c9-bd7d96eb8d27');
INSERT INTO public.idempotency_keys VALUES (2, '09646e2d8bf95c5a8714e8a7eb0f7b3f626421b52ec3de127d88ce6edd85d822', '1f3a4490607c03d00ac7bbd0d54ef6214664042066ab031e880229e410e03ae5', 201, '{"Location":"/api/v1/tasks/1","ETag":"\"1-1\"","Content-Type":"application/json"}', '{"id":1,"user_id":2,"title":"Über","description":"Straße 7,\nsecond line","status":"todo","priority":"high","due_at":null,"tags":["docs","Plan"],"completed_at":null,"created_at":"2026-11-27T00:12:15.941180Z","updated_at":"2026-11-27T00:12:15.941180Z","version":1}', '2026-11-27 00:12:15.939822+00');
INSERT INTO public.import_batches VALUES (2, 1, '[]');
INSERT INTO public.job_uploads VALUES (3, 'json', '[{"title": "row 0"}, {"title": "row 1"}, {"title": "row 2"}, {"title": "row 3"}, {"title": "row 4"}, {"title": "row 5"}, {"title": "row 6"}, {"title": "row 7"}, {"title": "row 8"}, {"title": "row 9"}, {"title": "row 10"}, {"title": "row 11"}, {"title": "row 12"}, {"title": "row 13"}, {"title": "row 14"}, {"title": "row 15"}, {"title": "row 16"}, {"title": "row 17"}, {"title": "row 18"}, {"title": "row 19"}, {"title": "row 20"}, {"title": "row 21"}, {"title": "row 22"}, {"title": "row 23"}, {"title": "row 24"}, {"title": "row 25"}, {"title": "row 26"}, {"title": "row 27"}, {"title": "row 28"}, {"title": "row 29"}, {"title": "row 30"}, {"title": "row 31"}, {"title": "row 32"}, {"title": "row 33"}, {"title": "row 34"}, {"title": "row 35"}, {"title": "row 36"}, {"title": "row 37"}, {"title": "row 38"}, {"title": "row 39"}, {"title": "row 40"}, {"title": "row 41"}, {"title": "row 42"}, {"title": "row 43"}, {"title": "row 44"}, {"title": "row 45"}, {"title": "row 46"}, {"title": "row 47"}, {"title": "row 48"}, {"title": "row 49"}, {"title": "row 50"}, {"title": "row 51"}, {"title": "row 52"}, {"title": "row 53"}, {"title": "row 54"}, {"title": "row 55"}, {"title": "row 56"}, {"title": "row 57"}, {"title": "row 58"}, {"title": "row 59"}, {"title": "row 60"}, {"title": "row 61"}, {"title": "row 62"}, {"title": "row 63"}, {"title": "row 64"}, {"title": "row 65"}, {"title": "row 66"}, {"title": "row 67"}, {"title": "row 68"}, {"title": "row 69"}, {"title": "row 70"}, {"title": "row 71"}, {"title": "row 72"}, {"title": "row 73"}, {"title": "row 74"}, {"title": "row 75"}, {"title": "row 76"}, {"title": "row 77"}, {"title": "row 78"}, {"title": "row 79"}, {"title": "row 80"}, {"title": "row 81"}, {"title": "row 82"}, {"title": "row 83"}, {"title": "row 84"}, {"title": "row 85"}, {"title": "row 86"}, {"title": "row 87"}, {"title": "row 88"}, {"title": "row 89"}, {"title": "row 90"}, {"title": "row 91"}, {"title": "row 92"}, {"title": "row 93"}, {"title": "row 94"}, {"title": "row 95"}, {"title": "row 96"}, {"title": "row 97"}, {"title": "row 98"}, {"title": "row 99"}, {"title": "row 100"}]');
INSERT INTO public.jobs VALUES (1, 3, 'tasks.import', 'done', 101, 101, '{"created":101}', NULL, 1, '2026-11-27 00:12:15.969183+00', '2026-11-27 00:12:15.969183+00', '2026-11-27 00:12:16.014363+00', '127.0.0.1', 'dfba1124-2e2d-4ec5-b2b5-c95b385206fd', '2026-11-27 00:12:15.990184+00', NULL, NULL);
INSERT INTO public.jobs VALUES (2, 2, 'tasks.import', 'failed', 0, 102, NULL, '{"code":"VALIDATION_ERROR","message":"row 102: title: Must have 1 to 200 characters.","details":{"title":["Must have 1 to 200 characters."],"row":102}}', 1, '2026-11-27 00:12:15.972741+00', '2026-11-27 00:12:15.972741+00', '2026-11-27 00:12:16.021527+00', '127.0.0.1', 'c093b525-04c2-4fb3-8f6c-8eb74d3d88d9', '2026-11-27 00:12:16.018311+00', NULL, NULL);
INSERT INTO public.jobs VALUES (3, 2, 'tasks.import', 'queued', 0, NULL, NULL, NULL, 0, '2026-11-27 00:12:16.095232+00', '2026-11-27 00:12:16.095232+00', NULL, '127.0.0.1', 'dd618e95-09dc-4124-aeb1-bf7776ee572b', NULL, NULL, NULL);
INSERT INTO public.login_accounts VALUES ('name:6382b3cc881412b77bfcaeed026001c00d9e3025e66c20f6e7e92f079851462a', 1, '2026-11-27 00:12:15.922158+00');
INSERT INTO public.login_accounts VALUES ('user:2', 1, '2026-11-27 00:12:16.113462+00');
INSERT INTO public.login_failures VALUES (3, 'name:6382b3cc881412b77bfcaeed026001c00d9e3025e66c20f6e7e92f079851462a', '127.0.0.1', '2026-11-27 00:12:15.922158+00');
INSERT INTO public.login_failures VALUES (5, 'user:2', '127.0.0.1', '2026-11-27 00:12:16.113462+00');
INSERT INTO public.password_resets VALUES (4, '0c69a87080d88265bfb9ca97f16a0317c30477c4d0529e472452e93ba225236e', '2026-11-27 01:12:15.927701+00');
INSERT INTO public.personal_tokens VALUES (2, 2, 'kept', 'write', 'tsk_L7btnHoI', 'f26440133a4a287b77a2ea4c6f4347915837c05ba46662c7d308f45cbe3f5e5f', '2026-11-27 00:12:16.123568+00', NULL, '2026-11-27 00:12:16.127598+00');
INSERT INTO public.personal_tokens VALUES (1, 1, 'kept', 'admin', 'tsk_REQPLNmr', '28c1d86244308e264b5f4f4963c178a474c97c5e8f7f2325a9b677c303ed0012', '2026-11-27 00:12:16.120483+00', NULL, '2026-11-27 00:12:16.149762+00');
INSERT INTO public.sessions VALUES (1, 1, 1, '2026-11-27 00:12:15.891324+00', '2026-11-27 00:12:15.891324+00', '2026-11-27 00:12:15.891324+00', '2999-01-01 00:00:00+00', NULL, '127.0.0.1', 'Werkzeug/3.1.9');
INSERT INTO public.sessions VALUES (3, 3, 1, '2026-11-27 00:12:15.903117+00', '2026-11-27 00:12:15.903117+00', '2026-11-27 00:12:15.903117+00', '2999-01-01 00:00:00+00', NULL, '127.0.0.1', 'Werkzeug/3.1.9');
INSERT INTO public.sessions VALUES (4, 4, 1, '2026-11-27 00:12:15.905719+00', '2026-11-27 00:12:15.905719+00', '2026-11-27 00:12:15.905719+00', '2999-01-01 00:00:00+00', '2026-11-27 00:12:15.910697+00', '127.0.0.1', 'Werkzeug/3.1.9');
INSERT INTO public.sessions VALUES (2, 2, 2, '2026-11-27 00:12:15.900033+00', '2026-11-27 00:12:15.913196+00', '2026-11-27 00:12:15.913196+00', '2999-01-01 00:00:00+00', NULL, '127.0.0.1', 'Werkzeug/3.1.9');
INSERT INTO public.sessions VALUES (5, 2, 1, '2026-11-27 00:12:15.918332+00', '2026-11-27 00:12:15.918332+00', '2026-11-27 00:12:15.918332+00', '2999-01-01 00:00:00+00', '2026-11-27 00:12:15.920648+00', '127.0.0.1', 'Werkzeug/3.1.9');
INSERT INTO public.sessions VALUES (6, 2, 1, '2026-11-27 00:12:16.11099+00', '2026-11-27 00:12:16.11099+00', '2026-11-27 00:12:16.11099+00', '2999-01-01 00:00:00+00', NULL, '127.0.0.1', 'Werkzeug/3.1.9');
INSERT INTO public.tasks VALUES (1, 2, 'Überall', 'überall', 'Straße 7,
second line', 'strasse 7,
second line', 2, 2, '2030-01-02 02:04:05.678901+00', 'docs,Plan', ',docs,plan,', '2026-11-27 00:12:15.950993+00', NULL, '2026-11-27 00:12:15.94118+00', '2026-11-27 00:12:15.95373+00', 4, false);
INSERT INTO public.tasks VALUES (3, 2, 'In the trash', 'in the trash', NULL, NULL, 0, 1, NULL, 'plan', ',plan,', NULL, '2026-11-27 00:12:15.9603+00', '2026-11-27 00:12:15.958804+00', '2026-11-27 00:12:15.960303+00', 2, false);
INSERT INTO public.tasks VALUES (4, 2, 'Back again', 'back again', NULL, NULL, 0, 0, NULL, '', '', NULL, NULL, '2026-11-27 00:12:15.962001+00', '2026-11-27 00:12:15.965097+00', 3, false);
INSERT INTO public.tasks VALUES (5, 3, 'Ben''s', 'ben''s', NULL, NULL, 0, 1, NULL, '', '', NULL, NULL, '2026-11-27 00:12:15.966191+00', '2026-11-27 00:12:15.966191+00', 1, false);
INSERT INTO public.tasks VALUES (2, 2, 'late', 'late', NULL, NULL, 0, 1, '2020-01-01 00:00:00+00', '', '', NULL, NULL, '2026-11-27 00:12:15.956952+00', '2026-11-27 00:12:15.956952+00', 1, true);
INSERT INTO public.tasks VALUES (7, 3, 'row 1', 'row 1', NULL, NULL, 0, 1, NULL, '', '', NULL, NULL, '2026-11-27 00:12:16.005106+00', '2026-11-27 00:12:16.005106+00', 1, false);
INSERT INTO public.tasks VALUES (8, 3, 'row 2', 'row 2', NULL, NULL, 0, 1, NULL, '', '', NULL, NULL, '2026-11-27 00:12:16.005106+00', '2026-11-27 00:12:16.005106+00', 1, false);
INSERT INTO public.tasks VALUES (107, 2, 'Not delivered', 'not delivered', NULL, NULL, 0, 1, NULL, '', '', NULL, NULL, '2026-11-27 00:12:16.101159+00', '2026-11-27 00:12:16.101159+00', 1, false);
INSERT INTO public.users VALUES (1, 'root', 'root', NULL, NULL, '$2b$04$cNNxBC5E5xyQl6RDXm2ZB.NeaIpsZAvDmL9/t727bq/f.1EAYN6JC', 'admin', true, '2026-11-27 00:12:15.882276+00', '2026-11-27 00:12:15.882276+00', 1);
INSERT INTO public.users VALUES (2, 'ana', 'ana', 'Ana@Example.org', 'ana@example.org', '$2b$04$chuuPE/0oNrDJq32WrMJIur428jzdE6TMluRtfOi4G3OcmV0rnila', 'user', true, '2026-11-27 00:12:15.899622+00', '2026-11-27 00:12:15.899622+00', 1);
INSERT INTO public.users VALUES (3, NULL, 'ben@example.org', 'ben@example.org', 'ben@example.org', '$2b$04$ea9ZIvG.5XpYJT5Bxmu/pOxUADEOlC3.dTjpKIK7quCdsuxwlB8H.', 'user', true, '2026-11-27 00:12:15.90286+00', '2026-11-27 00:12:15.90286+00', 1);
INSERT INTO public.users VALUES (4, 'cleo', 'cleo', NULL, NULL, '$2b$04$bubRFuNiBERwetuVxQBBS.y.Ksl2GQNZOmCLkgBoCXYewnpkqkkHm', 'user', false, '2026-11-27 00:12:15.905514+00', '2026-11-27 00:12:15.909766+00', 2);
INSERT INTO public.webhooks VALUES (2, 3, 'http://127.0.0.1:46523/off', ',task.created,task.updated,task.completed,task.deleted,task.restored,task.overdue,', false, 'OCrTIZlQ6ZdZn-2abEFe5A.mdDG0pB9htF8zBEcOqNk0FYNSzB6edOSF7ORTKI6tXw=.jDoZPIDDg1ngHXZJ4jR8jyYw9C_oq_3KaFPUzx07X98', NULL, NULL, NULL, '2026-11-27 00:12:15.937183+00', '2026-11-27 00:12:15.937183+00', NULL, NULL, NULL);
INSERT INTO public.webhooks VALUES (1, 2, 'http://127.0.0.1:46523/hook', ',task.created,task.completed,task.overdue,', true, 'jmk1V60Ya8qohac8ABO7sg.sXYWpEk7FwNMhPuleQDpPjfHNOwr0G0/Xa/ialI8JdM=.GVAhTNgnxy53zJPmEWL5dhR9krTx48NnCuBqEP2N0NE', 'JHca1wT8iLE3glxJXhlk_Q.5pROL51US6xixviB64eqZlnFXBkwhrlhHUJfLPSXm9A=.R2WV9JhWiqIbAsLOuYz75LC_vz1ivTZhsgtvWivUndo', '2026-11-28 00:12:15.934509+00', NULL, '2026-11-27 00:12:15.931916+00', '2026-11-27 00:12:15.934514+00', '2026-11-27 00:12:15.978297+00', NULL, NULL);
INSERT INTO public.workers VALUES ('test-39316585a0988949', '2026-11-27 00:12:15.974553+00', '2026-11-27 00:12:15.974553+00');
SELECT pg_catalog.setval('public.deliveries_id_seq', 7, true);
SELECT pg_catalog.setval('public.events_id_seq', 136, true);
SELECT pg_catalog.setval('public.jobs_id_seq', 3, true);
SELECT pg_catalog.setval('public.login_failures_id_seq', 5, true);
SELECT pg_catalog.setval('public.personal_tokens_id_seq', 2, true);
SELECT pg_catalog.setval('public.sessions_id_seq', 6, true);
SELECT pg_catalog.setval('public.tasks_id_seq', 107, true);
SELECT pg_catalog.setval('public.users_id_seq', 4, true);
SELECT pg_catalog.setval('public.webhooks_id_seq', 2, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.calendars
    ADD CONSTRAINT pk_calendars PRIMARY KEY (user_id);
ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT pk_deliveries PRIMARY KEY (id);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT pk_events PRIMARY KEY (id);
ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT pk_idempotency_keys PRIMARY KEY (user_id, key_hash);
ALTER TABLE ONLY public.import_batches
    ADD CONSTRAINT pk_import_batches PRIMARY KEY (job_id, number);
ALTER TABLE ONLY public.job_uploads
    ADD CONSTRAINT pk_job_uploads PRIMARY KEY (job_id);
ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT pk_jobs PRIMARY KEY (id);
ALTER TABLE ONLY public.login_accounts
    ADD CONSTRAINT pk_login_accounts PRIMARY KEY (account);
ALTER TABLE ONLY public.login_failures
    ADD CONSTRAINT pk_login_failures PRIMARY KEY (id);
ALTER TABLE ONLY public.password_resets
    ADD CONSTRAINT pk_password_resets PRIMARY KEY (user_id);
ALTER TABLE ONLY public.personal_tokens
    ADD CONSTRAINT pk_personal_tokens PRIMARY KEY (id);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT pk_sessions PRIMARY KEY (id);
ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT pk_tasks PRIMARY KEY (id);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT pk_users PRIMARY KEY (id);
ALTER TABLE ONLY public.webhooks
    ADD CONSTRAINT pk_webhooks PRIMARY KEY (id);
ALTER TABLE ONLY public.workers
    ADD CONSTRAINT pk_workers PRIMARY KEY (name);
ALTER TABLE ONLY public.calendars
    ADD CONSTRAINT uq_calendars_token_hash UNIQUE (token_hash);
ALTER TABLE ONLY public.password_resets
    ADD CONSTRAINT uq_password_resets_token_hash UNIQUE (token_hash);
ALTER TABLE ONLY public.personal_tokens
    ADD CONSTRAINT uq_personal_tokens_token_hash UNIQUE (token_hash);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT uq_users_email_key UNIQUE (email_key);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT uq_users_name_key UNIQUE (name_key);
CREATE INDEX ix_deliveries_again ON public.deliveries USING btree (webhook_id, next_attempt_at) WHERE ((next_attempt_at IS NOT NULL) AND (last_attempt_at IS NOT NULL));
CREATE INDEX ix_deliveries_created_at ON public.deliveries USING btree (created_at);
CREATE INDEX ix_deliveries_new ON public.deliveries USING btree (webhook_id, id) WHERE ((next_attempt_at IS NOT NULL) AND (last_attempt_at IS NULL));
CREATE INDEX ix_deliveries_waiting ON public.deliveries USING btree (next_attempt_at) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX ix_deliveries_webhook ON public.deliveries USING btree (webhook_id, id);
CREATE INDEX ix_events_at ON public.events USING btree (at);
CREATE INDEX ix_events_audit ON public.events USING btree (id) WHERE is_audit;
CREATE INDEX ix_events_task ON public.events USING btree (task_id, id) WHERE (task_id IS NOT NULL);
CREATE INDEX ix_idempotency_keys_created_at ON public.idempotency_keys USING btree (created_at);
CREATE INDEX ix_jobs_finished_at ON public.jobs USING btree (finished_at);
CREATE INDEX ix_jobs_user ON public.jobs USING btree (user_id, id);
CREATE INDEX ix_jobs_waiting ON public.jobs USING btree (run_at) WHERE (finished_at IS NULL);
CREATE INDEX ix_login_accounts_last_failure_at ON public.login_accounts USING btree (last_failure_at);
CREATE INDEX ix_login_failures_account_address_at ON public.login_failures USING btree (account, address, at);
CREATE INDEX ix_login_failures_at ON public.login_failures USING btree (at);
CREATE INDEX ix_personal_tokens_user_id ON public.personal_tokens USING btree (user_id);
CREATE INDEX ix_sessions_expires_at ON public.sessions USING btree (expires_at);
CREATE INDEX ix_sessions_user_id_address ON public.sessions USING btree (user_id, address);
CREATE INDEX ix_tasks_created ON public.tasks USING btree (user_id, created_at, id) WHERE (deleted_at IS NULL);
CREATE INDEX ix_tasks_due ON public.tasks USING btree (user_id, due_at, id) WHERE (deleted_at IS NULL);
CREATE INDEX ix_tasks_everyones ON public.tasks USING btree (created_at, id) WHERE (deleted_at IS NULL);
CREATE INDEX ix_tasks_overdue ON public.tasks USING btree (due_at) WHERE ((due_at IS NOT NULL) AND (status <> 2) AND (NOT is_overdue_told) AND (deleted_at IS NULL));
CREATE INDEX ix_tasks_priority ON public.tasks USING btree (user_id, priority, id) WHERE (deleted_at IS NULL);
CREATE INDEX ix_tasks_status_created ON public.tasks USING btree (user_id, status, created_at, id) WHERE (deleted_at IS NULL);
CREATE INDEX ix_tasks_status_due ON public.tasks USING btree (user_id, status, due_at, id) WHERE (deleted_at IS NULL);
CREATE INDEX ix_tasks_status_priority ON public.tasks USING btree (user_id, status, priority, id) WHERE (deleted_at IS NULL);
CREATE INDEX ix_tasks_trash ON public.tasks USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);
CREATE INDEX ix_users_created_at ON public.users USING btree (created_at);
CREATE INDEX ix_webhooks_user_id ON public.webhooks USING btree (user_id);
ALTER TABLE ONLY public.calendars
    ADD CONSTRAINT fk_calendars_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT fk_deliveries_webhook_id_webhooks FOREIGN KEY (webhook_id) REFERENCES public.webhooks(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT fk_idempotency_keys_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.import_batches
    ADD CONSTRAINT fk_import_batches_job_id_jobs FOREIGN KEY (job_id) REFERENCES public.jobs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.job_uploads
    ADD CONSTRAINT fk_job_uploads_job_id_jobs FOREIGN KEY (job_id) REFERENCES public.jobs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT fk_jobs_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.password_resets
    ADD CONSTRAINT fk_password_resets_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.personal_tokens
    ADD CONSTRAINT fk_personal_tokens_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT fk_sessions_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT fk_tasks_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.webhooks
    ADD CONSTRAINT fk_webhooks_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
