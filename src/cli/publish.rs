//! What `ci` and `comment` publish, and how.

use clap::{Args, ValueEnum};

/// What is published, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Publishing")]
pub struct PublishArgs {
    /// When the pull request gets a comment; one that is there is kept up to date in every case but never
    #[arg(long, value_enum, env = "TUNEGATE_COMMENT", default_value_t = CommentWhen::Auto)]
    pub comment: CommentWhen,
    /// Name of this gate, where a repository has several; default: workflow and job
    #[arg(long, value_name = "NAME", env = "TUNEGATE_COMMENT_KEY")]
    pub comment_key: Option<String>,
    /// Login that the token writes as, where it is not that of GitHub Actions
    #[arg(long, value_name = "LOGIN", env = "TUNEGATE_BOT_LOGIN")]
    pub bot_login: Option<String>,
    /// Also create a check run
    #[arg(long, env = "TUNEGATE_CHECK_RUN", value_parser = clap::builder::FalseyValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub check_run: bool,
    /// Annotate the policy's lines
    #[arg(long, value_enum, value_name = "BOOL", env = "TUNEGATE_ANNOTATIONS", default_value_t = Switch::True)]
    pub annotations: Switch,
    /// Write the job summary
    #[arg(long, value_enum, value_name = "BOOL", env = "TUNEGATE_SUMMARY", default_value_t = Switch::True)]
    pub summary: Switch,
    /// What a failure to publish does to a sound run: warn, or fail with exit code 4
    #[arg(long, value_enum, env = "TUNEGATE_REPORT_ERRORS", default_value_t = ReportErrors::Warn)]
    pub report_errors: ReportErrors,
    /// Where the page of `--emit html` will be; default: the artifacts of the run that wrote it
    #[arg(long, value_name = "URL", env = "TUNEGATE_HTML_URL")]
    pub html_url: Option<String>,
    /// Token for GitHub; default: GITHUB_TOKEN
    #[arg(
        long,
        value_name = "TOKEN",
        env = "TUNEGATE_TOKEN",
        hide_env_values = true
    )]
    pub token: Option<String>,
    /// Also comment on this pull request of the Hugging Face Hub, with the token in HF_TOKEN
    #[arg(
        long,
        value_name = "hf://OWNER/NAME@refs/pr/N",
        env = "TUNEGATE_HUB_PULL_REQUEST"
    )]
    pub hub_pull_request: Option<String>,
    /// Token of the Hub
    #[arg(long, hide = true, env = "HF_TOKEN", hide_env_values = true)]
    pub hub_token: Option<String>,
    /// Address of the Hub
    #[arg(long, hide = true, env = "HF_ENDPOINT")]
    pub hub_endpoint: Option<String>,
    /// Seconds to wait for one answer of GitHub
    #[arg(long, value_name = "SECONDS", env = "TUNEGATE_REPORT_TIMEOUT", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub report_timeout: u64,
    /// Seconds to wait in all where GitHub asks to try again later
    #[arg(long, value_name = "SECONDS", env = "TUNEGATE_REPORT_PATIENCE", default_value_t = 60, value_parser = clap::value_parser!(u64).range(..=3600))]
    pub report_patience: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CommentWhen {
    /// Unless the first run passes without a remark
    #[value(alias = "")]
    Auto,
    Always,
    /// Where the exit code is not 0
    OnFailure,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportErrors {
    #[value(alias = "")]
    Warn,
    Fail,
}

/// A switch that is on unless it is said otherwise; an empty input says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    #[value(aliases = ["", "yes", "on", "1"])]
    True,
    #[value(aliases = ["no", "off", "0"])]
    False,
}
