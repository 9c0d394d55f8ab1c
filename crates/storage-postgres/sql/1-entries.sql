-- The records. Keys and values are bytes: keys may hold any character, NUL included, and are ordered byte by byte.
CREATE TABLE {entries} (
    key bytea NOT NULL PRIMARY KEY,
    value bytea NOT NULL,
    version bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
-- Values are encrypted; nothing can be gained by compressing them.
ALTER TABLE {entries} ALTER COLUMN value SET STORAGE EXTERNAL;
-- Versions are drawn while a commit holds the locks of its keys, so those of one key grow.
CREATE SEQUENCE {versions};
