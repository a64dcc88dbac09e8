-- Tickets and sessions of one host, version 1.
-- Of a ticket only its digest is here; grants and session records are sealed.

CREATE TABLE version (version INTEGER NOT NULL);
INSERT INTO version VALUES (1);

CREATE TABLE tickets (
    digest TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    console TEXT NOT NULL,          -- beside the sealed grant, for revocation
    user TEXT NOT NULL,
    sealed_grant TEXT NOT NULL,
    uses INTEGER NOT NULL,          -- 0: any number
    used INTEGER NOT NULL DEFAULT 0,
    expires_at REAL NOT NULL,
    keep_until REAL NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX tickets_by_console ON tickets (console);
CREATE INDEX tickets_by_user ON tickets (user);
CREATE INDEX tickets_by_keep_until ON tickets (keep_until);

-- Which presenter opened which session; the order of rowid is that of opening.
CREATE TABLE bindings (
    ticket TEXT NOT NULL REFERENCES tickets (digest) ON DELETE CASCADE,
    presenter TEXT NOT NULL,
    session TEXT NOT NULL
);
CREATE INDEX bindings_by_presenter ON bindings (ticket, presenter);

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    opened_at REAL NOT NULL,
    ended_at REAL NOT NULL,         -- 0: it has not
    sealed_record TEXT NOT NULL
);
CREATE INDEX sessions_by_holder ON sessions (holder, opened_at);
CREATE INDEX sessions_live ON sessions (opened_at) WHERE ended_at = 0;
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at > 0;

-- How large the tables are, so that a bound costs no count of them.
CREATE TABLE sizes (name TEXT PRIMARY KEY, total INTEGER NOT NULL);
INSERT INTO sizes VALUES ('tickets', 0), ('bindings', 0), ('sessions', 0);
CREATE TRIGGER tickets_more AFTER INSERT ON tickets BEGIN UPDATE sizes SET total = total + 1 WHERE name = 'tickets'; END;
CREATE TRIGGER tickets_less AFTER DELETE ON tickets BEGIN UPDATE sizes SET total = total - 1 WHERE name = 'tickets'; END;
CREATE TRIGGER bindings_more AFTER INSERT ON bindings BEGIN UPDATE sizes SET total = total + 1 WHERE name = 'bindings'; END;
CREATE TRIGGER bindings_less AFTER DELETE ON bindings BEGIN UPDATE sizes SET total = total - 1 WHERE name = 'bindings'; END;
CREATE TRIGGER sessions_more AFTER INSERT ON sessions BEGIN UPDATE sizes SET total = total + 1 WHERE name = 'sessions'; END;
CREATE TRIGGER sessions_less AFTER DELETE ON sessions BEGIN UPDATE sizes SET total = total - 1 WHERE name = 'sessions'; END;
