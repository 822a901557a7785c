\set n random(1, :recipients)
SELECT valid_until, cells FROM state
WHERE controller = 1000 + :n % 100 AND key_high = hashint8extended(:n, 1) AND key_low = hashint8extended(:n, 2);
