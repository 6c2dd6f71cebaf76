//! What the runner of GitHub Actions says.

use clap::Args;

/// What the runner of GitHub Actions sets. Options, so that it can also be said by hand.
#[derive(Debug, Args)]
#[command(next_help_heading = "Set by the runner")]
pub struct RunnerArgs {
    #[arg(long, hide = true, env = "GITHUB_ACTIONS", value_parser = clap::builder::FalseyValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub github_actions: bool,
    #[arg(long, hide = true, env = "GITHUB_EVENT_NAME")]
    pub github_event_name: Option<String>,
    #[arg(long, hide = true, env = "GITHUB_EVENT_PATH")]
    pub github_event_path: Option<String>,
    #[arg(long, hide = true, env = "GITHUB_REPOSITORY")]
    pub github_repository: Option<String>,
    #[arg(long, hide = true, env = "GITHUB_API_URL")]
    pub github_api_url: Option<String>,
    #[arg(long, hide = true, env = "GITHUB_SERVER_URL")]
    pub github_server_url: Option<String>,
    #[arg(long, hide = true, env = "GITHUB_SHA")]
    pub github_sha: Option<String>,
    #[arg(long, hide = true, env = "GITHUB_BASE_REF")]
    pub github_base_ref: Option<String>,
    #[arg(long, hide = true, env = "GITHUB_RUN_ID")]
    pub github_run_id: Option<String>,
    #[arg(long, hide = true, env = "GITHUB_RUN_ATTEMPT")]
    pub github_run_attempt: Option<String>,
    #[arg(long, hide = true, env = "GITHUB_WORKFLOW")]
    pub github_workflow: Option<String>,
    #[arg(long, hide = true, env = "GITHUB_JOB")]
    pub github_job: Option<String>,
    #[arg(long, hide = true, env = "GITHUB_WORKSPACE")]
    pub github_workspace: Option<String>,
    #[arg(long, hide = true, env = "GITHUB_OUTPUT")]
    pub github_output: Option<String>,
    #[arg(long, hide = true, env = "GITHUB_STEP_SUMMARY")]
    pub github_step_summary: Option<String>,
    #[arg(long, hide = true, env = "RUNNER_TEMP")]
    pub runner_temp: Option<String>,
    #[arg(long, hide = true, env = "GITHUB_TOKEN", hide_env_values = true)]
    pub github_token: Option<String>,
}
