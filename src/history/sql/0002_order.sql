-- A baseline reads the runs of one model and branch in the order of their time.
CREATE INDEX tunegate_runs_in_order ON tunegate_runs (model, branch, recorded);
CREATE INDEX tunegate_acts_of_run ON tunegate_acts (run);
