-- The PostgreSQL peer's tables: what a team would write that keeps consents there, and the work of a grant of ours.
--
-- A 16-byte key or id is two bigints, which PostgreSQL compares fastest. Event ids grow with time (as UUIDv7 do), keys are
-- random. :recipients rows each, loaded before the indexes are made.

CREATE TABLE event (
    sequence bigserial,
    event_high bigint NOT NULL, event_low bigint NOT NULL,
    controller integer NOT NULL, key_high bigint NOT NULL, key_low bigint NOT NULL,
    kind smallint NOT NULL, channels smallint NOT NULL, purposes smallint NOT NULL,
    occurred_at timestamptz NOT NULL, recorded_at timestamptz NOT NULL,
    notice bytea NOT NULL, body bytea NOT NULL
);
CREATE TABLE state (
    controller integer NOT NULL, key_high bigint NOT NULL, key_low bigint NOT NULL,
    sequence bigint NOT NULL, valid_until timestamptz NOT NULL, cells bytea NOT NULL
);

INSERT INTO event (event_high, event_low, controller, key_high, key_low, kind, channels, purposes, occurred_at,
                   recorded_at, notice, body)
SELECT n, hashint8extended(n, 3), 1000 + n % 100, hashint8extended(n, 1), hashint8extended(n, 2), 1, 1, 6, now(), now(),
       sha256('notice'), repeat('b', 128)::bytea
FROM generate_series(1::bigint, :recipients) AS n;

INSERT INTO state
SELECT 1000 + n % 100, hashint8extended(n, 1), hashint8extended(n, 2), n, now() + interval '36 months', '\x0102030405060708'
FROM generate_series(1::bigint, :recipients) AS n;

SET maintenance_work_mem = '1GB';
ALTER TABLE event ADD PRIMARY KEY (event_high, event_low);
CREATE INDEX event_by_key ON event (controller, key_high, key_low);
ALTER TABLE state ADD PRIMARY KEY (controller, key_high, key_low);
VACUUM (ANALYZE, FREEZE) event, state;
