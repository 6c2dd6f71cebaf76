-- One row a run. What only shows in a chart or a report is in two compressed documents.
CREATE TABLE tunegate_runs (
    id TEXT NOT NULL PRIMARY KEY,
    recorded BIGINT NOT NULL,           -- microseconds since 1970, UTC
    model TEXT NOT NULL,
    branch TEXT NOT NULL,
    commit_id TEXT NOT NULL,            -- empty where it is not known
    base_ref TEXT NOT NULL,
    base_digest TEXT NOT NULL,
    tuned_ref TEXT NOT NULL,
    tuned_digest TEXT NOT NULL,
    policy_name TEXT NOT NULL,
    policy_digest TEXT NOT NULL,
    estimator TEXT NOT NULL,            -- digest of the estimators' settings
    tool TEXT NOT NULL,
    verdict TEXT NOT NULL,
    reason TEXT NOT NULL,
    fail_count BIGINT NOT NULL,
    warn_count BIGINT NOT NULL,
    deviates BIGINT NOT NULL,           -- 1: judged to deviate from the runs before it
    layer_count BIGINT NOT NULL,
    levels BLOB NOT NULL,               -- deflated JSON
    layers BLOB NOT NULL                -- deflated JSON
);

-- What people did about runs: only ever added to.
CREATE TABLE tunegate_acts (
    id TEXT NOT NULL PRIMARY KEY,
    run TEXT NOT NULL REFERENCES tunegate_runs (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    who TEXT NOT NULL,
    reason TEXT NOT NULL,
    acted BIGINT NOT NULL               -- microseconds since 1970, UTC
);
