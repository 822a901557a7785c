\set n random(1000000000, 9000000000000000000)
WITH recorded AS (
    INSERT INTO event (event_high, event_low, controller, key_high, key_low, kind, channels, purposes, occurred_at,
                       recorded_at, notice, body)
    VALUES (1000000000 + nextval('event_sequence_seq'), :n, 1000, hashint8extended(:n, 1), hashint8extended(:n, 2),
            1, 1, 6, now(), now(), '\x2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae', repeat('b', 128)::bytea)
    RETURNING sequence
)
INSERT INTO state
SELECT 1000, hashint8extended(:n, 1), hashint8extended(:n, 2), sequence, now() + interval '36 months', '\x0102030405060708'
FROM recorded
ON CONFLICT (controller, key_high, key_low)
DO UPDATE SET sequence = excluded.sequence, valid_until = excluded.valid_until, cells = excluded.cells;
