BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('20261121_work');
CREATE TABLE calendars (
	user_id INTEGER NOT NULL, 
	token_hash VARCHAR(64) NOT NULL, 
	created_at TEXT NOT NULL, 
	CONSTRAINT pk_calendars PRIMARY KEY (user_id), 
	CONSTRAINT fk_calendars_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT uq_calendars_token_hash UNIQUE (token_hash)
);
INSERT INTO "calendars" VALUES(2,'03bc28d7161f9a69079cf96a87f5148c5e1e057310a875492caf525273c244a0','2026-11-27T00:12:12.505954Z');
CREATE TABLE deliveries (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	webhook_id INTEGER NOT NULL, 
	event_id INTEGER NOT NULL, 
	event VARCHAR(40) NOT NULL, 
	status VARCHAR(9) NOT NULL, 
	attempts INTEGER NOT NULL, 
	created_at TEXT NOT NULL, 
	last_attempt_at TEXT, 
	next_attempt_at TEXT, 
	delivered_at TEXT, 
	status_code INTEGER, 
	error VARCHAR(200), 
	CONSTRAINT fk_deliveries_webhook_id_webhooks FOREIGN KEY(webhook_id) REFERENCES webhooks (id) ON DELETE CASCADE
);
INSERT INTO "deliveries" VALUES(1,1,18,'task.created','delivered',1,'2026-11-27T00:12:12.479416Z','2026-11-27T00:12:12.539254Z',NULL,'2026-11-27T00:12:12.539254Z',204,NULL);
INSERT INTO "deliveries" VALUES(2,1,20,'task.completed','delivered',1,'2026-11-27T00:12:12.489239Z','2026-11-27T00:12:12.590317Z',NULL,'2026-11-27T00:12:12.590317Z',204,NULL);
INSERT INTO "deliveries" VALUES(3,1,22,'task.created','delivered',1,'2026-11-27T00:12:12.494929Z','2026-11-27T00:12:12.590674Z',NULL,'2026-11-27T00:12:12.590674Z',204,NULL);
INSERT INTO "deliveries" VALUES(4,1,23,'task.created','delivered',1,'2026-11-27T00:12:12.496255Z','2026-11-27T00:12:12.590887Z',NULL,'2026-11-27T00:12:12.590887Z',204,NULL);
INSERT INTO "deliveries" VALUES(5,1,25,'task.created','delivered',1,'2026-11-27T00:12:12.498768Z','2026-11-27T00:12:12.591145Z',NULL,'2026-11-27T00:12:12.591145Z',204,NULL);
INSERT INTO "deliveries" VALUES(6,1,30,'task.overdue','delivered',1,'2026-11-27T00:12:12.521338Z','2026-11-27T00:12:12.591370Z',NULL,'2026-11-27T00:12:12.591370Z',204,NULL);
INSERT INTO "deliveries" VALUES(7,1,132,'task.created','pending',1,'2026-11-27T00:12:12.623526Z','2026-11-27T00:12:12.623526Z','2026-11-27T00:12:12.623526Z',NULL,500,'HTTP 500');
CREATE TABLE events (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at TEXT NOT NULL, 
	actor_id INTEGER, 
	action VARCHAR(40) NOT NULL, 
	task_id INTEGER, 
	user_id INTEGER, 
	is_audit BOOLEAN NOT NULL, 
	version INTEGER, 
	changes TEXT NOT NULL, 
	task TEXT, 
	address VARCHAR(45), 
	request_id VARCHAR(128)
);
INSERT INTO "events" VALUES(1,'2026-11-27T00:12:12.384070Z',NULL,'user.created',NULL,1,1,NULL,'{"role":[null,"admin"]}',NULL,NULL,NULL);
INSERT INTO "events" VALUES(2,'2026-11-27T00:12:12.391858Z',1,'session.started',NULL,1,1,NULL,'{}',NULL,'127.0.0.1','287624a4-73d6-4803-810e-7b5bd56409d1');
INSERT INTO "events" VALUES(3,'2026-11-27T00:12:12.435782Z',NULL,'user.created',NULL,2,1,NULL,'{"role":[null,"user"]}',NULL,'127.0.0.1','d993ace8-ba2f-4043-946d-a1407d46da5d');
INSERT INTO "events" VALUES(4,'2026-11-27T00:12:12.435901Z',2,'session.started',NULL,2,1,NULL,'{}',NULL,'127.0.0.1','d993ace8-ba2f-4043-946d-a1407d46da5d');
INSERT INTO "events" VALUES(5,'2026-11-27T00:12:12.440551Z',NULL,'user.created',NULL,3,1,NULL,'{"role":[null,"user"]}',NULL,'127.0.0.1','c667e3c3-a697-4154-9ab8-1377691f0679');
INSERT INTO "events" VALUES(6,'2026-11-27T00:12:12.440646Z',3,'session.started',NULL,3,1,NULL,'{}',NULL,'127.0.0.1','c667e3c3-a697-4154-9ab8-1377691f0679');
INSERT INTO "events" VALUES(7,'2026-11-27T00:12:12.443191Z',NULL,'user.created',NULL,4,1,NULL,'{"role":[null,"user"]}',NULL,'127.0.0.1','82836a03-609e-41da-b0e6-f1d83921e0d7');
INSERT INTO "events" VALUES(8,'2026-11-27T00:12:12.443266Z',4,'session.started',NULL,4,1,NULL,'{}',NULL,'127.0.0.1','82836a03-609e-41da-b0e6-f1d83921e0d7');
INSERT INTO "events" VALUES(9,'2026-11-27T00:12:12.448163Z',1,'user.updated',NULL,4,1,NULL,'{"is_active":[1,false]}',NULL,'127.0.0.1','3751f2ad-7b6b-4609-8fce-d595bc61b688');
INSERT INTO "events" VALUES(10,'2026-11-27T00:12:12.448400Z',1,'session.all_ended',NULL,4,1,NULL,'{}',NULL,'127.0.0.1','3751f2ad-7b6b-4609-8fce-d595bc61b688');
INSERT INTO "events" VALUES(11,'2026-11-27T00:12:12.457010Z',2,'session.started',NULL,2,1,NULL,'{}',NULL,'127.0.0.1','7416210e-4682-44db-abdf-b39ef3636401');
INSERT INTO "events" VALUES(12,'2026-11-27T00:12:12.459134Z',2,'session.ended',NULL,2,1,NULL,'{}',NULL,'127.0.0.1','e8e8556d-b47a-46f9-9f7b-392494caa903');
INSERT INTO "events" VALUES(13,'2026-11-27T00:12:12.461414Z',NULL,'login.failed',NULL,NULL,1,NULL,'{}',NULL,'127.0.0.1','a4e8ea00-6456-4d11-a41d-c989b3a9816a');
INSERT INTO "events" VALUES(14,'2026-11-27T00:12:12.464262Z',1,'password.reset_offered',NULL,4,1,NULL,'{}',NULL,'127.0.0.1','37080bd9-9f9f-49c1-999c-8ac63edee549');
INSERT INTO "events" VALUES(15,'2026-11-27T00:12:12.468785Z',2,'webhook.created',NULL,2,1,NULL,'{}',NULL,'127.0.0.1','739e4d8b-8279-442d-a8a4-c9d5d2273397');
INSERT INTO "events" VALUES(16,'2026-11-27T00:12:12.472058Z',2,'webhook.secret_rotated',NULL,2,1,NULL,'{}',NULL,'127.0.0.1','a0337145-c4eb-4287-a786-1127c2403505');
INSERT INTO "events" VALUES(17,'2026-11-27T00:12:12.475427Z',3,'webhook.created',NULL,3,1,NULL,'{}',NULL,'127.0.0.1','c78a1e83-1173-49d0-816a-d0e03f74a4f0');
INSERT INTO "events" VALUES(18,'2026-11-27T00:12:12.479185Z',2,'task.created',1,2,0,1,'{}','{"user_id":2,"title":"Über","description":"Straße 7,\nsecond line","status":"todo","priority":"high","due_at":null,"tags":["docs","Plan"],"completed_at":null,"created_at":"2026-11-27T00:12:12.478510Z","updated_at":"2026-11-27T00:12:12.478510Z","version":1}','127.0.0.1','17b0194e-9541-44dc-b2a6-be12da999bb7');
INSERT INTO "events" VALUES(19,'2026-11-27T00:12:12.485820Z',2,'task.updated',1,2,0,2,'{"status":["todo","in_progress"]}','{"user_id":2,"title":"Über","description":"Straße 7,\nsecond line","status":"in_progress","priority":"high","due_at":null,"tags":["docs","Plan"],"completed_at":null,"created_at":"2026-11-27T00:12:12.478510Z","updated_at":"2026-11-27T00:12:12.485300Z","version":2}','127.0.0.1','f6b7faf2-f66c-4d20-97eb-bdab5a7f17ac');
INSERT INTO "events" VALUES(20,'2026-11-27T00:12:12.489228Z',2,'task.completed',1,2,0,3,'{"status":["in_progress","done"],"title":["Über","Überall"]}','{"user_id":2,"title":"Überall","description":"Straße 7,\nsecond line","status":"done","priority":"high","due_at":null,"tags":["docs","Plan"],"completed_at":"2026-11-27T00:12:12.489198Z","created_at":"2026-11-27T00:12:12.478510Z","updated_at":"2026-11-27T00:12:12.489198Z","version":3}','127.0.0.1','ef26e17b-3d15-4c45-ad70-8dc7e11c42f4');
INSERT INTO "events" VALUES(21,'2026-11-27T00:12:12.493339Z',1,'task.updated',1,2,1,4,'{"due_at":[null,"2030-01-02T02:04:05.678901Z"]}','{"user_id":2,"title":"Überall","description":"Straße 7,\nsecond line","status":"done","priority":"high","due_at":"2030-01-02T02:04:05.678901Z","tags":["docs","Plan"],"completed_at":"2026-11-27T00:12:12.489198Z","created_at":"2026-11-27T00:12:12.478510Z","updated_at":"2026-11-27T00:12:12.493304Z","version":4}','127.0.0.1','7cb51335-20c9-43d8-9b71-5607ec659bf8');
INSERT INTO "events" VALUES(22,'2026-11-27T00:12:12.494922Z',2,'task.created',2,2,0,1,'{}','{"user_id":2,"title":"late","description":null,"status":"todo","priority":"medium","due_at":"2020-01-01T00:00:00.000000Z","tags":[],"completed_at":null,"created_at":"2026-11-27T00:12:12.494897Z","updated_at":"2026-11-27T00:12:12.494897Z","version":1}','127.0.0.1','47d9474e-439b-46dc-a658-4d17d6721cd6');
INSERT INTO "events" VALUES(23,'2026-11-27T00:12:12.496249Z',2,'task.created',3,2,0,1,'{}','{"user_id":2,"title":"In the trash","description":null,"status":"todo","priority":"medium","due_at":null,"tags":["plan"],"completed_at":null,"created_at":"2026-11-27T00:12:12.496231Z","updated_at":"2026-11-27T00:12:12.496231Z","version":1}','127.0.0.1','0121638b-39fa-4110-89d2-c5fcfbff5460');
INSERT INTO "events" VALUES(24,'2026-11-27T00:12:12.497686Z',2,'task.deleted',3,2,0,2,'{"deleted_at":[null,"2026-11-27T00:12:12.497312Z"]}','{"user_id":2,"title":"In the trash","description":null,"status":"todo","priority":"medium","due_at":null,"tags":["plan"],"completed_at":null,"created_at":"2026-11-27T00:12:12.496231Z","updated_at":"2026-11-27T00:12:12.497314Z","version":2}','127.0.0.1','acb65894-b1f5-4e79-a930-627170d15116');
INSERT INTO "events" VALUES(25,'2026-11-27T00:12:12.498762Z',2,'task.created',4,2,0,1,'{}','{"user_id":2,"title":"Back again","description":null,"status":"todo","priority":"low","due_at":null,"tags":[],"completed_at":null,"created_at":"2026-11-27T00:12:12.498745Z","updated_at":"2026-11-27T00:12:12.498745Z","version":1}','127.0.0.1','96f28f2b-cf99-43ff-bffe-cd5761b91761');
INSERT INTO "events" VALUES(26,'2026-11-27T00:12:12.499886Z',2,'task.deleted',4,2,0,2,'{"deleted_at":[null,"2026-11-27T00:12:12.499870Z"]}','{"user_id":2,"title":"Back again","description":null,"status":"todo","priority":"low","due_at":null,"tags":[],"completed_at":null,"created_at":"2026-11-27T00:12:12.498745Z","updated_at":"2026-11-27T00:12:12.499872Z","version":2}','127.0.0.1','8f8c1ba3-54d7-41b8-b927-268b2e2acf94');
INSERT INTO "events" VALUES(27,'2026-11-27T00:12:12.502043Z',2,'task.restored',4,2,0,3,'{"deleted_at":["2026-11-27T00:12:12.499870Z",null]}','{"user_id":2,"title":"Back again","description":null,"status":"todo","priority":"low","due_at":null,"tags":[],"completed_at":null,"created_at":"2026-11-27T00:12:12.498745Z","updated_at":"2026-11-27T00:12:12.502025Z","version":3}','127.0.0.1','cb42cb75-97b0-444b-a936-c8edaa7a6fc3');
INSERT INTO "events" VALUES(28,'2026-11-27T00:12:12.504905Z',3,'task.created',5,3,0,1,'{}','{"user_id":3,"title":"Ben''s","description":null,"status":"todo","priority":"medium","due_at":null,"tags":[],"completed_at":null,"created_at":"2026-11-27T00:12:12.504881Z","updated_at":"2026-11-27T00:12:12.504881Z","version":1}','127.0.0.1','d69f1d25-7958-4f17-a886-011caf79e13d');
INSERT INTO "events" VALUES(29,'2026-11-27T00:12:12.506369Z',2,'calendar.created',NULL,2,1,NULL,'{}',NULL,'127.0.0.1','eba9e26d-3ee2-45ba-b0dd-2e6bd142c11b');
INSERT INTO "events" VALUES(30,'2026-11-27T00:12:12.521317Z',NULL,'task.overdue',2,2,0,1,'{}','{"user_id":2,"title":"late","description":null,"status":"todo","priority":"medium","due_at":"2020-01-01T00:00:00.000000Z","tags":[],"completed_at":null,"created_at":"2026-11-27T00:12:12.494897Z","updated_at":"2026-11-27T00:12:12.494897Z","version":1}',NULL,NULL);
INSERT INTO "events" VALUES(31,'2026-11-27T00:12:12.539459Z',3,'task.created',6,3,0,1,'{}',NULL,'127.0.0.1','55bc72bd-1922-4d8d-ac86-e20d128c48ab');
INSERT INTO "events" VALUES(32,'2026-11-27T00:12:12.539459Z',3,'task.created',7,3,0,1,'{}',NULL,'127.0.0.1','55bc72bd-1922-4d8d-ac86-e20d128c48ab');
INSERT INTO "events" VALUES(33,'2026-11-27T00:12:12.539459Z',3,'task.created',8,3,0,1,'{}',NULL,'127.0.0.1','55bc72bd-1922-4d8d-ac86-e20d128c48ab');
INSERT INTO "events" VALUES(34,'2026-11-27T00:12:12.539459Z',3,'task.created',9,3,0,1,'{}',NULL,'127.0.0.1','55bc72bd-1922-4d8d-ac86-e20d128c48ab');
INSERT INTO "events" VALUES(35,'2026-11-27T00:12:12.539459Z',3,'task.created',10,3,0,1,'{}',NULL,'127.0.0.1','55bc72bd-1922-4d8d-ac86-e20d128c48ab');
INSERT INTO "events" VALUES(132,'2026-11-27T00:12:12.623517Z',2,'task.created',107,2,0,1,'{}','{"user_id":2,"title":"Not delivered","description":null,"status":"todo","priority":"medium","due_at":null,"tags":[],"completed_at":null,"created_at":"2026-11-27T00:12:12.623488Z","updated_at":"2026-11-27T00:12:12.623488Z","version":1}','127.0.0.1','8a7bc30f-6117-4baa-8a6f-358ccd3cffa2');
INSERT INTO "events" VALUES(133,'2026-11-27T00:12:12.627456Z',2,'session.started',NULL,2,1,NULL,'{}',NULL,'127.0.0.1','71a19a5b-b5ca-451f-b428-ab049721a8e9');
INSERT INTO "events" VALUES(134,'2026-11-27T00:12:12.630153Z',NULL,'login.failed',NULL,2,1,NULL,'{}',NULL,'127.0.0.1','30680ff5-1349-494f-aa87-7ea7d154dfe5');
INSERT INTO "events" VALUES(135,'2026-11-27T00:12:12.633012Z',1,'token.created',NULL,1,1,NULL,'{"name":[null,"kept"],"scope":[null,"admin"]}',NULL,'127.0.0.1','e3db568e-c58b-4cd2-b567-9cfed1d08df5');
INSERT INTO "events" VALUES(136,'2026-11-27T00:12:12.635761Z',2,'token.created',NULL,2,1,NULL,'{"name":[null,"kept"],"scope":[null,"write"]}',NULL,'127.0.0.1','6648b144-22d6-4f0a-86e7-3610ce5c27b1');
CREATE TABLE idempotency_keys (
	user_id INTEGER NOT NULL, 
	key_hash VARCHAR(64) NOT NULL, 
	body_hash VARCHAR(64) NOT NULL, 
	status INTEGER NOT NULL, 
	headers TEXT NOT NULL, 
	body TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	CONSTRAINT pk_idempotency_keys PRIMARY KEY (user_id, key_hash), 
	CONSTRAINT fk_idempotency_keys_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
INSERT INTO "idempotency_keys" VALUES(2,'09646e2d8bf95c5a8714e8a7eb0f7b3f626421b52ec3de127d88ce6edd85d822','1f3a4490607c03d00ac7bbd0d54ef6214664042066ab031e880229e410e03ae5',201,'{"Location":"/api/v1/tasks/1","ETag":"\"1-1\"","Content-Type":"application/json"}','{"id":1,"user_id":2,"title":"Über","description":"Straße 7,\nsecond line","status":"todo","priority":"high","due_at":null,"tags":["docs","Plan"],"completed_at":null,"created_at":"2026-11-27T00:12:12.478510Z","updated_at":"2026-11-27T00:12:12.478510Z","version":1}','2026-11-27T00:12:12.477476Z');
CREATE TABLE import_batches (
	job_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	rows TEXT NOT NULL, 
	CONSTRAINT pk_import_batches PRIMARY KEY (job_id, number), 
	CONSTRAINT fk_import_batches_job_id_jobs FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
INSERT INTO "import_batches" VALUES(2,1,'[]');
CREATE TABLE job_uploads (
	job_id INTEGER NOT NULL, 
	format VARCHAR(4) NOT NULL, 
	body TEXT NOT NULL, 
	CONSTRAINT pk_job_uploads PRIMARY KEY (job_id), 
	CONSTRAINT fk_job_uploads_job_id_jobs FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
INSERT INTO "job_uploads" VALUES(3,'json','[{"title": "row 0"}, {"title": "row 1"}, {"title": "row 2"}, {"title": "row 3"}, {"title": "row 4"}, {"title": "row 5"}, {"title": "row 6"}, {"title": "row 7"}, {"title": "row 8"}, {"title": "row 9"}, {"title": "row 10"}, {"title": "row 11"}, {"title": "row 12"}, {"title": "row 13"}, {"title": "row 14"}, {"title": "row 15"}, {"title": "row 16"}, {"title": "row 17"}, {"title": "row 18"}, {"title": "row 19"}, {"title": "row 20"}, {"title": "row 21"}, {"title": "row 22"}, {"title": "row 23"}, {"title": "row 24"}, {"title": "row 25"}, {"title": "row 26"}, {"title": "row 27"}, {"title": "row 28"}, {"title": "row 29"}, {"title": "row 30"}, {"title": "row 31"}, {"title": "row 32"}, {"title": "row 33"}, {"title": "row 34"}, {"title": "row 35"}, {"title": "row 36"}, {"title": "row 37"}, {"title": "row 38"}, {"title": "row 39"}, {"title": "row 40"}, {"title": "row 41"}, {"title": "row 42"}, {"title": "row 43"}, {"title": "row 44"}, {"title": "row 45"}, {"title": "row 46"}, {"title": "row 47"}, {"title": "row 48"}, {"title": "row 49"}, {"title": "row 50"}, {"title": "row 51"}, {"title": "row 52"}, {"title": "row 53"}, {"title": "row 54"}, {"title": "row 55"}, {"title": "row 56"}, {"title": "row 57"}, {"title": "row 58"}, {"title": "row 59"}, {"title": "row 60"}, {"title": "row 61"}, {"title": "row 62"}, {"title": "row 63"}, {"title": "row 64"}, {"title": "row 65"}, {"title": "row 66"}, {"title": "row 67"}, {"title": "row 68"}, {"title": "row 69"}, {"title": "row 70"}, {"title": "row 71"}, {"title": "row 72"}, {"title": "row 73"}, {"title": "row 74"}, {"title": "row 75"}, {"title": "row 76"}, {"title": "row 77"}, {"title": "row 78"}, {"title": "row 79"}, {"title": "row 80"}, {"title": "row 81"}, {"title": "row 82"}, {"title": "row 83"}, {"title": "row 84"}, {"title": "row 85"}, {"title": "row 86"}, {"title": "row 87"}, {"title": "row 88"}, {"title": "row 89"}, {"title": "row 90"}, {"title": "row 91"}, {"title": "row 92"}, {"title": "row 93"}, {"title": "row 94"}, {"title": "row 95"}, {"title": "row 96"}, {"title": "row 97"}, {"title": "row 98"}, {"title": "row 99"}, {"title": "row 100"}]');
CREATE TABLE jobs (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	user_id INTEGER NOT NULL, 
	kind VARCHAR(20) NOT NULL, 
	status VARCHAR(7) NOT NULL, 
	done INTEGER NOT NULL, 
	total INTEGER, 
	result TEXT, 
	error TEXT, 
	attempts INTEGER NOT NULL, 
	run_at TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	finished_at TEXT, 
	address VARCHAR(45), 
	request_id VARCHAR(128), 
	claimed_at TEXT, 
	leased_by VARCHAR(40), 
	leased_until TEXT, 
	CONSTRAINT fk_jobs_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
INSERT INTO "jobs" VALUES(1,3,'tasks.import','done',101,101,'{"created":101}',NULL,1,'2026-11-27T00:12:12.508551Z','2026-11-27T00:12:12.508551Z','2026-11-27T00:12:12.541799Z','127.0.0.1','55bc72bd-1922-4d8d-ac86-e20d128c48ab','2026-11-27T00:12:12.525459Z',NULL,NULL);
INSERT INTO "jobs" VALUES(2,2,'tasks.import','failed',0,102,NULL,'{"code":"VALIDATION_ERROR","message":"row 102: title: Must have 1 to 200 characters.","details":{"title":["Must have 1 to 200 characters."],"row":102}}',1,'2026-11-27T00:12:12.512886Z','2026-11-27T00:12:12.512886Z','2026-11-27T00:12:12.557943Z','127.0.0.1','47db4f3f-5088-46a0-be4b-ab2221b0cee3','2026-11-27T00:12:12.555543Z',NULL,NULL);
INSERT INTO "jobs" VALUES(3,2,'tasks.import','queued',0,NULL,NULL,NULL,0,'2026-11-27T00:12:12.621978Z','2026-11-27T00:12:12.621978Z',NULL,'127.0.0.1','ea7bbe8a-50a1-4e83-9920-80cdaeb785bf',NULL,NULL,NULL);
CREATE TABLE login_accounts (
	account VARCHAR(70) NOT NULL, 
	in_a_row INTEGER NOT NULL, 
	last_failure_at TEXT NOT NULL, 
	CONSTRAINT pk_login_accounts PRIMARY KEY (account)
);
INSERT INTO "login_accounts" VALUES('name:6382b3cc881412b77bfcaeed026001c00d9e3025e66c20f6e7e92f079851462a',1,'2026-11-27T00:12:12.460141Z');
INSERT INTO "login_accounts" VALUES('user:2',1,'2026-11-27T00:12:12.628905Z');
CREATE TABLE login_failures (
	id INTEGER NOT NULL, 
	account VARCHAR(70) NOT NULL, 
	address VARCHAR(45) NOT NULL, 
	at TEXT NOT NULL, 
	CONSTRAINT pk_login_failures PRIMARY KEY (id)
);
INSERT INTO "login_failures" VALUES(1,'name:6382b3cc881412b77bfcaeed026001c00d9e3025e66c20f6e7e92f079851462a','127.0.0.1','2026-11-27T00:12:12.460141Z');
INSERT INTO "login_failures" VALUES(2,'user:2','127.0.0.1','2026-11-27T00:12:12.628905Z');
CREATE TABLE password_resets (
	user_id INTEGER NOT NULL, 
	token_hash VARCHAR(64) NOT NULL, 
	expires_at TEXT NOT NULL, 
	CONSTRAINT pk_password_resets PRIMARY KEY (user_id), 
	CONSTRAINT fk_password_resets_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT uq_password_resets_token_hash UNIQUE (token_hash)
);
INSERT INTO "password_resets" VALUES(4,'a2eb88c8a7a38fb0f174718fa0e56dbaf5dcc53c598e38b482b4ad30b1aaadc8','2026-11-27T01:12:12.463748Z');
CREATE TABLE personal_tokens (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	user_id INTEGER NOT NULL, 
	name VARCHAR(100) NOT NULL, 
	scope VARCHAR(5) NOT NULL, 
	prefix VARCHAR(12) NOT NULL, 
	token_hash VARCHAR(64) NOT NULL, 
	created_at TEXT NOT NULL, 
	expires_at TEXT, 
	last_used_at TEXT, 
	CONSTRAINT fk_personal_tokens_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT uq_personal_tokens_token_hash UNIQUE (token_hash)
);
INSERT INTO "personal_tokens" VALUES(1,1,'kept','admin','tsk_yJoipCiG','56b34606edfae32d932597ae2d6e2e092b52943c116f19be467012ab90c9c381','2026-11-27T00:12:12.632047Z',NULL,'2026-11-27T00:12:12.666353Z');
INSERT INTO "personal_tokens" VALUES(2,2,'kept','write','tsk_3faPIAoL','31ade6561e6b9f3380d8529eb53e1f4e44601b8658630134a5a637a3a0222be4','2026-11-27T00:12:12.635644Z',NULL,'2026-11-27T00:12:12.637559Z');
CREATE TABLE sessions (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	user_id INTEGER NOT NULL, 
	generation INTEGER NOT NULL, 
	created_at TEXT NOT NULL, 
	last_used_at TEXT NOT NULL, 
	rotated_at TEXT NOT NULL, 
	expires_at TEXT NOT NULL, 
	ended_at TEXT, 
	address VARCHAR(45) NOT NULL, 
	agent VARCHAR(200) NOT NULL, 
	CONSTRAINT fk_sessions_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
INSERT INTO "sessions" VALUES(1,1,1,'2026-11-27T00:12:12.390763Z','2026-11-27T00:12:12.390763Z','2026-11-27T00:12:12.390763Z','2999-01-01T00:00:00.000000Z',NULL,'127.0.0.1','Werkzeug/3.1.9');
INSERT INTO "sessions" VALUES(2,2,2,'2026-11-27T00:12:12.435814Z','2026-11-27T00:12:12.451663Z','2026-11-27T00:12:12.451663Z','2999-01-01T00:00:00.000000Z',NULL,'127.0.0.1','Werkzeug/3.1.9');
INSERT INTO "sessions" VALUES(3,3,1,'2026-11-27T00:12:12.440569Z','2026-11-27T00:12:12.440569Z','2026-11-27T00:12:12.440569Z','2999-01-01T00:00:00.000000Z',NULL,'127.0.0.1','Werkzeug/3.1.9');
INSERT INTO "sessions" VALUES(4,4,1,'2026-11-27T00:12:12.443205Z','2026-11-27T00:12:12.443205Z','2026-11-27T00:12:12.443205Z','2999-01-01T00:00:00.000000Z','2026-11-27T00:12:12.448182Z','127.0.0.1','Werkzeug/3.1.9');
INSERT INTO "sessions" VALUES(5,2,1,'2026-11-27T00:12:12.456915Z','2026-11-27T00:12:12.456915Z','2026-11-27T00:12:12.456915Z','2999-01-01T00:00:00.000000Z','2026-11-27T00:12:12.458639Z','127.0.0.1','Werkzeug/3.1.9');
INSERT INTO "sessions" VALUES(6,2,1,'2026-11-27T00:12:12.627308Z','2026-11-27T00:12:12.627308Z','2026-11-27T00:12:12.627308Z','2999-01-01T00:00:00.000000Z',NULL,'127.0.0.1','Werkzeug/3.1.9');
CREATE TABLE tasks (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	user_id INTEGER NOT NULL, 
	title VARCHAR(200) NOT NULL, 
	title_key TEXT NOT NULL, 
	description TEXT, 
	description_key TEXT, 
	status SMALLINT NOT NULL, 
	priority SMALLINT NOT NULL, 
	due_at TEXT, 
	tags TEXT NOT NULL, 
	tags_key TEXT NOT NULL, 
	completed_at TEXT, 
	deleted_at TEXT, 
	created_at TEXT NOT NULL, 
	updated_at TEXT NOT NULL, 
	version INTEGER NOT NULL, is_overdue_told BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT fk_tasks_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
INSERT INTO "tasks" VALUES(1,2,'Überall','überall','Straße 7,
second line','strasse 7,
second line',2,2,'2030-01-02T02:04:05.678901Z','docs,Plan',',docs,plan,','2026-11-27T00:12:12.489198Z',NULL,'2026-11-27T00:12:12.478510Z','2026-11-27T00:12:12.493304Z',4,0);
INSERT INTO "tasks" VALUES(2,2,'late','late',NULL,NULL,0,1,'2020-01-01T00:00:00.000000Z','','',NULL,NULL,'2026-11-27T00:12:12.494897Z','2026-11-27T00:12:12.494897Z',1,1);
INSERT INTO "tasks" VALUES(3,2,'In the trash','in the trash',NULL,NULL,0,1,NULL,'plan',',plan,',NULL,'2026-11-27T00:12:12.497312Z','2026-11-27T00:12:12.496231Z','2026-11-27T00:12:12.497314Z',2,0);
INSERT INTO "tasks" VALUES(4,2,'Back again','back again',NULL,NULL,0,0,NULL,'','',NULL,NULL,'2026-11-27T00:12:12.498745Z','2026-11-27T00:12:12.502025Z',3,0);
INSERT INTO "tasks" VALUES(5,3,'Ben''s','ben''s',NULL,NULL,0,1,NULL,'','',NULL,NULL,'2026-11-27T00:12:12.504881Z','2026-11-27T00:12:12.504881Z',1,0);
INSERT INTO "tasks" VALUES(7,3,'row 1','row 1',NULL,NULL,0,1,NULL,'','',NULL,NULL,'2026-11-27T00:12:12.539459Z','2026-11-27T00:12:12.539459Z',1,0);
INSERT INTO "tasks" VALUES(8,3,'row 2','row 2',NULL,NULL,0,1,NULL,'','',NULL,NULL,'2026-11-27T00:12:12.539459Z','2026-11-27T00:12:12.539459Z',1,0);
INSERT INTO "tasks" VALUES(107,2,'Not delivered','not delivered',NULL,NULL,0,1,NULL,'','',NULL,NULL,'2026-11-27T00:12:12.623488Z','2026-11-27T00:12:12.623488Z',1,0);
CREATE TABLE users (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	username VARCHAR(50), 
	name_key VARCHAR(320) NOT NULL, 
	email VARCHAR(254), 
	email_key VARCHAR(320), 
	password_hash VARCHAR(60) NOT NULL, 
	role VARCHAR(5) NOT NULL, 
	is_active BOOLEAN NOT NULL, 
	created_at TEXT NOT NULL, 
	updated_at TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	CONSTRAINT uq_users_email_key UNIQUE (email_key), 
	CONSTRAINT uq_users_name_key UNIQUE (name_key)
);
INSERT INTO "users" VALUES(1,'root','root',NULL,NULL,'$2b$04$NZ3AC9sgSxUPwgE3yy.YIeybh.DFm4fY.z./mtBEX99sES4i9IXgO','admin',1,'2026-11-27T00:12:12.382704Z','2026-11-27T00:12:12.382704Z',1);
INSERT INTO "users" VALUES(2,'ana','ana','Ana@Example.org','ana@example.org','$2b$04$BOL0eYp9LWwDEXD4XgG3..37DKsgwhDN3VrHgirxXe5QFmpzHztRW','user',1,'2026-11-27T00:12:12.435669Z','2026-11-27T00:12:12.435669Z',1);
INSERT INTO "users" VALUES(3,NULL,'ben@example.org','ben@example.org','ben@example.org','$2b$04$Xn2.jS3R49HiPNFITyYqY.apVIPgqsK1pYMLw5KhUhPbx2fL7PNm2','user',1,'2026-11-27T00:12:12.440476Z','2026-11-27T00:12:12.440476Z',1);
INSERT INTO "users" VALUES(4,'cleo','cleo',NULL,NULL,'$2b$04$BkTPVuhB8rS1CGI/kajLSOyEKxJTGjSrmwpsiecSKzDfbU0qTRVkC','user',0,'2026-11-27T00:12:12.443129Z','2026-11-27T00:12:12.447494Z',2);
CREATE TABLE webhooks (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	user_id INTEGER NOT NULL, 
	url VARCHAR(2000) NOT NULL, 
	events VARCHAR(200) NOT NULL, 
	is_active BOOLEAN NOT NULL, 
	secret VARCHAR(200) NOT NULL, 
	old_secret VARCHAR(200), 
	old_secret_until TEXT, 
	failing_since TEXT, 
	created_at TEXT NOT NULL, 
	updated_at TEXT NOT NULL, 
	claimed_at TEXT, 
	leased_by VARCHAR(40), 
	leased_until TEXT, 
	CONSTRAINT fk_webhooks_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
INSERT INTO "webhooks" VALUES(1,2,'http://127.0.0.1:34983/hook',',task.created,task.completed,task.overdue,',1,'N4OCY1pOqzuzjs4nYHhl-A.8uUrj+eW7XDjdPGpVAg6SrCsGxx4VZhptDeYtez9Pg0=.LVpbqD4Aj_g9IahCYOZenoXN3wQ3urDjS6M6gWHXTNg','gC9Sfq_cLeH6evG26AH9_Q.ibCqkW/t05dt328oQBtK2H/V708hheJQgLrDQ6REtsY=.pURLTFnHC4ZJq52t3obAjYmUpmOLWUutTr-C9ZsHTb8','2026-11-28T00:12:12.471167Z',NULL,'2026-11-27T00:12:12.467825Z','2026-11-27T00:12:12.471172Z','2026-11-27T00:12:12.521928Z',NULL,NULL);
INSERT INTO "webhooks" VALUES(2,3,'http://127.0.0.1:34983/off',',task.created,task.updated,task.completed,task.deleted,task.restored,task.overdue,',0,'BEJEXfPv8XcNu_sOcEdjRw.qSY/pFGm9K+adyyOUwmDV88txuXk4TV0Adp/axgwKvs=.HLkqtIb0Yp03AMblTUwFIeCfnoBgrJUtSkwIqPTnnPo',NULL,NULL,NULL,'2026-11-27T00:12:12.475342Z','2026-11-27T00:12:12.475342Z',NULL,NULL,NULL);
CREATE TABLE workers (
	name VARCHAR(40) NOT NULL, 
	started_at TEXT NOT NULL, 
	seen_at TEXT NOT NULL, 
	CONSTRAINT pk_workers PRIMARY KEY (name)
);
INSERT INTO "workers" VALUES('test-c9878d9eaa0bd98c','2026-11-27T00:12:12.515465Z','2026-11-27T00:12:12.515465Z');
CREATE INDEX ix_events_at ON events (at);
CREATE INDEX ix_events_audit ON events (id) WHERE is_audit;
CREATE INDEX ix_events_task ON events (task_id, id) WHERE task_id IS NOT NULL;
CREATE INDEX ix_login_accounts_last_failure_at ON login_accounts (last_failure_at);
CREATE INDEX ix_login_failures_account_address_at ON login_failures (account, address, at);
CREATE INDEX ix_login_failures_at ON login_failures (at);
CREATE INDEX ix_users_created_at ON users (created_at);
CREATE INDEX ix_idempotency_keys_created_at ON idempotency_keys (created_at);
CREATE INDEX ix_personal_tokens_user_id ON personal_tokens (user_id);
CREATE INDEX ix_sessions_expires_at ON sessions (expires_at);
CREATE INDEX ix_sessions_user_id_address ON sessions (user_id, address);
CREATE INDEX ix_tasks_created ON tasks (user_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX ix_tasks_due ON tasks (user_id, due_at, id) WHERE deleted_at IS NULL;
CREATE INDEX ix_tasks_everyones ON tasks (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX ix_tasks_priority ON tasks (user_id, priority, id) WHERE deleted_at IS NULL;
CREATE INDEX ix_tasks_status_due ON tasks (user_id, status, due_at, id) WHERE deleted_at IS NULL;
CREATE INDEX ix_tasks_status_priority ON tasks (user_id, status, priority, id) WHERE deleted_at IS NULL;
CREATE INDEX ix_tasks_status_created ON tasks (user_id, status, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX ix_tasks_trash ON tasks (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX ix_webhooks_user_id ON webhooks (user_id);
CREATE INDEX ix_deliveries_webhook ON deliveries (webhook_id, id);
CREATE INDEX ix_deliveries_created_at ON deliveries (created_at);
CREATE INDEX ix_deliveries_new ON deliveries (webhook_id, id) WHERE next_attempt_at IS NOT NULL AND last_attempt_at IS NULL;
CREATE INDEX ix_deliveries_again ON deliveries (webhook_id, next_attempt_at) WHERE next_attempt_at IS NOT NULL AND last_attempt_at IS NOT NULL;
CREATE INDEX ix_deliveries_waiting ON deliveries (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX ix_jobs_user ON jobs (user_id, id);
CREATE INDEX ix_jobs_waiting ON jobs (run_at) WHERE finished_at IS NULL;
CREATE INDEX ix_jobs_finished_at ON jobs (finished_at);
CREATE INDEX ix_tasks_overdue ON tasks (due_at) WHERE due_at IS NOT NULL AND status != 2 AND is_overdue_told = 0 AND deleted_at IS NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('users',4);
INSERT INTO "sqlite_sequence" VALUES('events',136);
INSERT INTO "sqlite_sequence" VALUES('sessions',6);
INSERT INTO "sqlite_sequence" VALUES('webhooks',2);
INSERT INTO "sqlite_sequence" VALUES('tasks',107);
INSERT INTO "sqlite_sequence" VALUES('deliveries',7);
INSERT INTO "sqlite_sequence" VALUES('jobs',3);
INSERT INTO "sqlite_sequence" VALUES('personal_tokens',2);
COMMIT;
