-- A row for each connection: the number and result of the last commit that took effect on it. Whoever lost a connection
-- deletes its row, which waits for the end of a commit that is under way and stops one that has not begun, and
-- learns from it what became of the commit.
CREATE TABLE {sessions} (
    id bytea NOT NULL PRIMARY KEY,
    number bigint NOT NULL,
    result integer NOT NULL,
    born timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
-- One commit: 0 when done, otherwise the place of the first guard that does not hold.
CREATE FUNCTION {commit}(
    session bytea, this bigint, locks bigint[], exclusive boolean[], guards bytea[], wanted bigint[],
    put_keys bytea[], put_values bytea[], deletes bytea[]
) RETURNS integer LANGUAGE plpgsql AS $commit$
DECLARE
    broken integer;
    next bigint;
BEGIN
    UPDATE {sessions} SET number = this, result = 0 WHERE id = session AND number = this - 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this connection was given up by its server' USING ERRCODE = 'LS001';
    END IF;
    -- Given in ascending order, so that no two commits wait for each other. Each statement below sees what was
    -- committed before the locks were had: the function is volatile and the isolation READ COMMITTED.
    FOR at IN 1 .. cardinality(locks) LOOP
        IF exclusive[at] THEN
            PERFORM pg_advisory_xact_lock(locks[at]);
        ELSE
            PERFORM pg_advisory_xact_lock_shared(locks[at]);
        END IF;
    END LOOP;
    IF cardinality(guards) > 0 THEN
        -- -1: absent, -2: present, otherwise the version.
        SELECT min(g.place) INTO broken
        FROM unnest(guards, wanted) WITH ORDINALITY AS g (key, version, place)
        LEFT JOIN {entries} e ON e.key = g.key
        WHERE CASE g.version
            WHEN -1 THEN e.version IS NOT NULL
            WHEN -2 THEN e.version IS NULL
            ELSE e.version IS DISTINCT FROM g.version
        END;
        IF broken IS NOT NULL THEN
            UPDATE {sessions} SET result = broken WHERE id = session;
            RETURN broken;
        END IF;
    END IF;
    IF cardinality(put_keys) > 0 THEN
        next := nextval({versions_text});
        INSERT INTO {entries} AS e (key, value, version)
        SELECT w.key, w.value, next FROM unnest(put_keys, put_values) AS w (key, value)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version;
    END IF;
    IF cardinality(deletes) > 0 THEN
        DELETE FROM {entries} WHERE key = ANY (deletes);
    END IF;
    RETURN 0;
END
$commit$;
