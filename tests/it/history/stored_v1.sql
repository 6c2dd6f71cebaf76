-- Written by version 1 of the schema: one run and one act on it. Never changed, so that every later version still
-- reads what this one wrote.
CREATE TABLE tunegate_schema (version BIGINT NOT NULL PRIMARY KEY);
CREATE TABLE tunegate_runs (
    id TEXT NOT NULL PRIMARY KEY,
    recorded BIGINT NOT NULL,
    model TEXT NOT NULL,
    branch TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    base_ref TEXT NOT NULL,
    base_digest TEXT NOT NULL,
    tuned_ref TEXT NOT NULL,
    tuned_digest TEXT NOT NULL,
    policy_name TEXT NOT NULL,
    policy_digest TEXT NOT NULL,
    estimator TEXT NOT NULL,
    tool TEXT NOT NULL,
    verdict TEXT NOT NULL,
    reason TEXT NOT NULL,
    fail_count BIGINT NOT NULL,
    warn_count BIGINT NOT NULL,
    deviates BIGINT NOT NULL,
    layer_count BIGINT NOT NULL,
    levels BLOB NOT NULL,
    layers BLOB NOT NULL
);
CREATE TABLE tunegate_acts (
    id TEXT NOT NULL PRIMARY KEY,
    run TEXT NOT NULL REFERENCES tunegate_runs (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    who TEXT NOT NULL,
    reason TEXT NOT NULL,
    acted BIGINT NOT NULL
);
INSERT INTO tunegate_schema (version) VALUES (1);
INSERT INTO tunegate_runs VALUES ('a31059d03decf44b', 1767236400000000, 'nightly', 'main', '0a1b2c3d',
    'hf://org/base@0123abcd', 'sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',
    's3://nights/1', 'sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',
    'nightly', 'sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd',
    '00112233aabbccdd', '0.1.0', 'warn', 'alpha-drift on 1 layer', 0, 1, 0, 2,
    X'789cab564acc29c84854b2aa06327294ac8cf54c7494124b4a52f34a32f3f3f40ac122b53a4a45a93989259965a9f1a505298925a970f5067a0686a6683ac062b5b50047591d13',
    X'789c358d510ec2200c40efc2f74258d41faf62cc82a33ab450846eba2cbbbbc5e94f9bf4bdbc2e2ada00451d4f2a9003d46867c8451b5d00af9d658efad9a54c77fd027f1b58353f31520effdbb9510f1fdd96b19cfd5bb4097aa65c5926dc5e480e227b92a608b55071e9296dfc426e16f05d020248aa17b2288b69b0a2ecf4be892362ad025af6137463729641a0d1a63d34324d7b5ed70fb33a49f4');
INSERT INTO tunegate_acts VALUES ('0740ae91dc7c8237', 'a31059d03decf44b', 'accept', 'ana', 'first night of the new recipe', 1767243600000000);
