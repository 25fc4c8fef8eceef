//! Which variables are secret, by name: `policies/scrub.toml` as a decision.
//!
//! **Invariants.** Pure and case-blind for words, exact for exact names. The value rules of the catalogue apply to kept
//! names as well.

use serde::Deserialize;

use super::catalogue::KeyPattern;
use super::glob::NameGlob;

/// What a variable's name says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameVerdict {
    /// Kept although it may look secret; its value is judged all the same.
    Keep,
    /// Holds a secret.
    Secret,
    /// Holds no secret and hands out power: agents, buses, daemons. Removed unless asked for.
    Power,
    /// Says nothing; its value decides.
    Neutral,
}

/// A verdict with the rule that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameJudgement {
    /// The verdict.
    pub verdict: NameVerdict,
    /// The rule for people: `` the word `TOKEN` ``; empty where no rule applied.
    pub rule: String,
}

/// The rules of `policies/scrub.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ScrubRules {
    secret: Names,
    keep: Names,
    powers: Names,
    words: Words,
    values: Vec<ValuePattern>,
}

/// Names, each exact or with `*`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Names {
    exact: Vec<String>,
    #[serde(default)]
    patterns: Vec<NameGlob>,
}

/// The words that make up names.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Words {
    secret: Vec<String>,
    secret_word_ends: Vec<String>,
    secret_at_end: Vec<String>,
    passed_over_at_end: Vec<String>,
    key_is_harmless_after: Vec<String>,
    harmless: Vec<String>,
    harmless_at_start: Vec<String>,
    harmless_at_end: Vec<String>,
    harmless_prefixes: Vec<String>,
}

/// The form of a credential that the catalogue does not broker.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValuePattern {
    /// What it is, for people.
    pub title: String,
    /// Its forms.
    pub keys: Vec<KeyPattern>,
}

impl ScrubRules {
    /// Judges a variable by its name.
    pub fn classify_name(&self, name: &str) -> NameJudgement {
        let judge = |verdict, rule: String| NameJudgement { verdict, rule };
        for (names, verdict) in
            [(&self.secret, NameVerdict::Secret), (&self.powers, NameVerdict::Power), (&self.keep, NameVerdict::Keep)]
        {
            if names.exact.iter().any(|exact| exact == name) {
                return judge(verdict, format!("the name `{name}`"));
            }
        }
        for (names, verdict) in
            [(&self.secret, NameVerdict::Secret), (&self.powers, NameVerdict::Power), (&self.keep, NameVerdict::Keep)]
        {
            if let Some(pattern) = names.patterns.iter().find(|pattern| pattern.matches(name)) {
                return judge(verdict, format!("names like `{}`", pattern.as_str()));
            }
        }
        match self.words.judge(name) {
            Some((verdict, word)) => judge(verdict, format!("the word `{word}`")),
            None => judge(NameVerdict::Neutral, String::new()),
        }
    }

    /// Forms of credentials outside the catalogue.
    pub(super) fn values(&self) -> &[ValuePattern] {
        &self.values
    }
}

impl Words {
    fn judge(&self, name: &str) -> Option<(NameVerdict, String)> {
        if let Some(prefix) = self.harmless_prefixes.iter().find(|prefix| name.starts_with(prefix.as_str())) {
            return Some((NameVerdict::Keep, prefix.clone()));
        }
        let holds = |list: &[String], word: &str| list.iter().any(|known| known == word);
        let mut words = words_of(name);
        if let Some(word) = words.iter().find(|word| holds(&self.harmless, word)) {
            return Some((NameVerdict::Keep, word.clone()));
        }
        if let Some(first) = words.first().filter(|first| words.len() > 1 && holds(&self.harmless_at_start, first)) {
            return Some((NameVerdict::Keep, first.clone()));
        }
        while words.len() > 1 && words.last().is_some_and(|word| holds(&self.passed_over_at_end, word)) {
            words.pop();
        }
        let last = words.last()?;
        if holds(&self.harmless_at_end, last) {
            return Some((NameVerdict::Keep, last.clone()));
        }
        let is_secret =
            |word: &&String| holds(&self.secret, word) || self.secret_word_ends.iter().any(|end| word.ends_with(end));
        if let Some(word) = words.iter().find(is_secret) {
            return Some((NameVerdict::Secret, word.clone()));
        }
        let before = words.len().checked_sub(2).map(|index| words[index].as_str());
        let is_harmless_key =
            last.starts_with("KEY") && before.is_some_and(|word| holds(&self.key_is_harmless_after, word));
        (holds(&self.secret_at_end, last) && !is_harmless_key).then(|| (NameVerdict::Secret, last.clone()))
    }
}

/// The words of a name in upper case: split at what is neither letter nor digit, and at camel-case humps. A number at
/// the end is dropped: `API_KEY_2` and `API_KEY2` are further keys.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = '_';
    for character in name.chars() {
        let starts_hump = before.is_lowercase() && character.is_uppercase();
        if starts_hump || !character.is_alphanumeric() {
            words.push(String::new());
        }
        if let (true, Some(word)) = (character.is_alphanumeric(), words.last_mut()) {
            word.extend(character.to_uppercase());
        }
        before = character;
    }
    words.retain(|word| !word.is_empty());
    while words.len() > 1 && words.last().is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit())) {
        words.pop();
    }
    if let Some(last) = words.last_mut() {
        let kept = last.trim_end_matches(|character: char| character.is_ascii_digit()).len();
        // `B64` and `BASE64` are words of their own.
        if kept > 0 && !last.ends_with("64") {
            last.truncate(kept);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{catalogue, scrub_rules};

    /// Names that hold a secret, or a power over one.
    const SECRET: &str = "
        AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_SECURITY_TOKEN AWS_BEARER_TOKEN_BEDROCK
        AWS_CONTAINER_AUTHORIZATION_TOKEN AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_CREDENTIALS_RELATIVE_URI
        CLOUDSDK_AUTH_ACCESS_TOKEN AZURE_CLIENT_SECRET AZURE_CLIENT_CERTIFICATE_PASSWORD AZURE_OPENAI_API_KEY
        AZURE_STORAGE_CONNECTION_STRING AZURE_STORAGE_KEY AZURE_STORAGE_SAS_TOKEN COSMOS_PRIMARY_KEY
        ACTIONS_ID_TOKEN_REQUEST_TOKEN ACTIONS_ID_TOKEN_REQUEST_URL ACTIONS_RUNTIME_TOKEN ACTIONS_RESULTS_URL
        ALL_INPUTS OVERRIDE_GITHUB_TOKEN DEFAULT_WORKFLOW_TOKEN SYSTEM_ACCESSTOKEN CI_JOB_TOKEN CI_JOB_JWT
        CI_JOB_JWT_V2 CI_REGISTRY_PASSWORD CI_DEPLOY_PASSWORD DATABASE_URL DB_URL ANALYTICS_DATABASE_URL POSTGRES_URL
        POSTGRES_URL_NON_POOLING POSTGRES_PRISMA_URL MYSQL_URL MONGODB_URI MONGO_URL REDIS_URL CACHE_REDIS_URL AMQP_URL
        CELERY_BROKER_URL SQLALCHEMY_DATABASE_URI DIRECT_URL PGPASSWORD MYSQL_PWD MYSQL_ROOT_PASSWORD
        POSTGRES_PASSWORD REDISCLI_AUTH REDIS_PASSWORD SSHPASS SENTRY_DSN SLACK_WEBHOOK_URL DISCORD_WEBHOOK_URL
        TEAMS_WEBHOOK_URL SLACK_BOT_TOKEN SLACK_SIGNING_SECRET ANTHROPIC_CUSTOM_HEADERS DOCKER_AUTH_CONFIG
        NODE_AUTH_TOKEN npm_config_//registry.npmjs.org/:_authToken npm_config_//npm.pkg.github.com/:_authToken
        PIP_INDEX_URL PIP_EXTRA_INDEX_URL UV_INDEX_PRIVATE_PASSWORD BUNDLE_GEMS__CONTRIBSYS__COM TF_VAR_db_password
        TF_TOKEN_app_terraform_io OP_SESSION_my OP_SERVICE_ACCOUNT_TOKEN BW_SESSION RESTIC_PASSWORD BORG_PASSPHRASE
        RCLONE_CONFIG_PASS SSH_SIGNING_KEY GIT_ASKPASS SSH_ASKPASS SSH_AUTH_SOCK DBUS_SESSION_BUS_ADDRESS DOCKER_HOST
        VSCODE_GIT_IPC_HANDLE GNOME_KEYRING_CONTROL OPENAI_API_KEY ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN GEMINI_API_KEY
        GOOGLE_API_KEY MISTRAL_API_KEY GROQ_API_KEY COHERE_API_KEY DEEPSEEK_API_KEY PERPLEXITY_API_KEY HF_TOKEN
        REPLICATE_API_TOKEN GH_TOKEN GITHUB_TOKEN GITHUB_PAT GITLAB_TOKEN NPM_TOKEN PYPI_TOKEN TWINE_PASSWORD
        CARGO_REGISTRY_TOKEN CARGO_REGISTRIES_MINE_TOKEN STRIPE_KEY STRIPE_SECRET_KEY STRIPE_WEBHOOK_SECRET
        TWILIO_AUTH_TOKEN SENDGRID_API_KEY MAILGUN_API_KEY POSTMARK_SERVER_TOKEN DATADOG_API_KEY DD_API_KEY DD_APP_KEY
        NEW_RELIC_LICENSE_KEY CLOUDFLARE_API_TOKEN CF_API_KEY VERCEL_TOKEN NETLIFY_AUTH_TOKEN HEROKU_API_KEY
        FLY_API_TOKEN DIGITALOCEAN_ACCESS_TOKEN LINEAR_API_KEY NOTION_TOKEN JIRA_API_TOKEN SUPABASE_SERVICE_ROLE_KEY
        FIREBASE_TOKEN ALGOLIA_ADMIN_KEY JWT_SECRET JWTSECRET SESSION_SECRET COOKIE_SECRET NEXTAUTH_SECRET SECRET_KEY
        SECRET_KEY_BASE RAILS_MASTER_KEY APP_KEY ENCRYPTION_KEY ENCRYPTION_KEYS SIGNING_KEY PRIVATE_KEY
        PRIVATE_KEY_B64 API_KEY API_KEY_2 API_KEY2 API_KEY_PROD apiKey clientSecret DB_PASS DB_PASS_STAGING DB_PW
        DBPASSWORD SMTP_PASS BASIC_AUTH VAULT_TOKEN CONSUL_HTTP_TOKEN NOMAD_TOKEN PULUMI_ACCESS_TOKEN SNYK_TOKEN
        SONAR_TOKEN CODECOV_TOKEN ConnectionStrings__Default AZURE_DEVOPS_EXT_PAT TELEGRAM_BOT_TOKEN WALLET_MNEMONIC
        SEED_PHRASE PASSWORD_SALT GOOGLE_CREDENTIALS KRB5CCNAME TMUX ARTIFACTORY_API_KEY KAFKA_SASL_PASSWORD
        KAFKA_SASL_JAAS_CONFIG SPRING_DATASOURCE_PASSWORD GRADLE_PUBLISH_KEY GRADLE_PUBLISH_SECRET OSSRH_PASSWORD
        ANDROID_KEYSTORE_BASE64 KEYSTORE_PASSWORD MATCH_PASSWORD FASTLANE_SESSION EXPO_TOKEN LIVEKIT_API_SECRET
        MINIO_ROOT_PASSWORD S3_ACCESS_KEY LDAP_BIND_PW VPN_PSK GPG_PASSPHRASE GPG_PRIVATE_KEY COSIGN_KEY SOPS_AGE_KEY
        ANSIBLE_BECOME_PASS TF_HTTP_PASSWORD SCW_SECRET_KEY OS_PASSWORD DISCORD_TOKEN NGROK_AUTHTOKEN
        LAUNCHDARKLY_SDK_KEY SEGMENT_WRITE_KEY PLAID_SECRET COMPOSER_AUTH HTTP_COOKIE DEPLOYER_PRIVATE_KEY
    ";

    /// Names that hold none, many of which other lists scrub.
    const HARMLESS: &str = "
        PATH HOME USER LOGNAME SHELL TERM COLORTERM LANG LC_ALL LC_CTYPE TZ PWD OLDPWD SHLVL HOSTNAME EDITOR VISUAL
        PAGER LESS LS_COLORS TMPDIR XDG_RUNTIME_DIR XDG_SESSION_ID XDG_CONFIG_HOME XKB_DEFAULT_LAYOUT DISPLAY_NAME
        TOKENIZERS_PARALLELISM MAX_TOKENS MAX_THINKING_TOKENS CLAUDE_CODE_MAX_OUTPUT_TOKENS MODEL_MAX_TOKENS
        NUM_TOKENS KEYBOARD_LAYOUT KEYMAP KEYTIMEOUT GPG_TTY GPG_KEY GPG_AGENT_INFO XAUTHORITY ICEAUTHORITY
        PASSWORD_STORE_DIR SSH_AGENT_PID SSH_CONNECTION SSH_CLIENT SSH_TTY STARSHIP_SESSION_KEY KITTY_PUBLIC_KEY
        SECURITYSESSIONID TERM_SESSION_ID SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE AWS_CA_BUNDLE
        NODE_EXTRA_CA_CERTS AWS_PROFILE AWS_REGION AWS_DEFAULT_REGION AZURE_TENANT_ID AZURE_CLIENT_ID
        GOOGLE_CLOUD_PROJECT OPENAI_ORG_ID OPENAI_BASE_URL ANTHROPIC_BASE_URL ANTHROPIC_MODEL PYTHON_KEYRING_BACKEND
        PIP_KEYRING_PROVIDER ANSIBLE_HOST_KEY_CHECKING OAUTHLIB_INSECURE_TRANSPORT OAUTHLIB_RELAX_TOKEN_SCOPE DB_USER
        DB_HOST DB_NAME PGUSER PGHOST PGPORT PGDATABASE CI CI_JOB_ID GITHUB_SHA GITHUB_REPOSITORY GITHUB_ACTOR
        GITHUB_OUTPUT GITHUB_ENV GITHUB_WORKSPACE GITHUB_RUN_ID GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME
        GIT_TERMINAL_PROMPT NEXT_PUBLIC_API_KEY NEXT_PUBLIC_SUPABASE_ANON_KEY VITE_API_KEY REACT_APP_API_KEY
        EXPO_PUBLIC_API_KEY STRIPE_PUBLISHABLE_KEY SUPABASE_ANON_KEY VAPID_PUBLIC_KEY JWT_PUBLIC_KEY
        DYNAMODB_PARTITION_KEY DYNAMODB_SORT_KEY CACHE_KEY KUBECONFIG GOOGLE_APPLICATION_CREDENTIALS PGPASSFILE
        AWS_WEB_IDENTITY_TOKEN_FILE AWS_SHARED_CREDENTIALS_FILE TOKEN_URL OAUTH_TOKEN_ENDPOINT TOKEN_TTL TOKEN_LIMIT
        JWT_ISSUER JWT_AUDIENCE JWT_ALGORITHM JWT_EXPIRATION SECRET_NAME SECRETS_DIR POSTGRES_PASSWORD_FILE
        SESSION_COOKIE_NAME SESSION_COOKIE_SECURE COOKIE_DOMAIN COOKIE_SAMESITE AUTH_TYPE AUTH_URL AUTH0_DOMAIN
        SMTP_HOST SMTP_USER KEYCLOAK_URL KEYCLOAK_REALM MONKEY_PATCH TURKEY PATTERN COMPASS_MODE PASSTHROUGH AUTHOR
        TOKENIZER BYPASS_CACHE PATH_INFO SASS_PATH NODE_ENV NODE_OPTIONS NODE_PATH PYTHONPATH VIRTUAL_ENV CONDA_PREFIX
        JAVA_HOME GOPATH GOROOT CARGO_HOME RUSTUP_HOME NVM_DIR PNPM_HOME BUN_INSTALL DENO_DIR npm_config_registry
        npm_package_name BASH_FUNC_module%% DEBIAN_FRONTEND NO_COLOR FORCE_COLOR CLICOLOR LINES COLUMNS
        HISTFILE HISTSIZE MAIL WINDOWID DESKTOP_SESSION GDMSESSION PROJECT_KEY JIRA_ISSUE_KEY LOG_LEVEL PORT DEBUG
        RUST_BACKTRACE RUST_LOG HTTP_PROXY NO_PROXY SSH_AUTHORIZED_KEYS API_KEY_HEADER PASSWORD_MIN_LENGTH
        PASSWORD_RESET_TIMEOUT ACCESS_TOKEN_EXPIRE JWT_EXPIRES_IN TOKEN_EXPIRES_AT ENABLE_AUTH USE_TOKEN REQUIRE_AUTH
        COOKIE_POLICY TOKEN_BUCKET_CAPACITY TOKEN_CONTRACT_ADDRESS JENKINS_CREDENTIALS_ID SECRET_NAMESPACE SSH_KEY_PATH
    ";

    fn unlike(names: &str, fits: impl Fn(NameVerdict) -> bool) -> Vec<(&str, NameJudgement)> {
        let judged = names.split_whitespace().map(|name| (name, scrub_rules().classify_name(name)));
        judged.filter(|(_, judgement)| !fits(judgement.verdict)).collect()
    }

    #[test]
    fn no_secret_name_is_missed() {
        assert!(SECRET.split_whitespace().count() >= 120);
        let missed = unlike(SECRET, |verdict| matches!(verdict, NameVerdict::Secret | NameVerdict::Power));
        assert!(missed.is_empty(), "{missed:#?}");
    }

    #[test]
    fn no_harmless_name_is_scrubbed() {
        assert!(HARMLESS.split_whitespace().count() >= 100);
        let scrubbed = unlike(HARMLESS, |verdict| matches!(verdict, NameVerdict::Keep | NameVerdict::Neutral));
        assert!(scrubbed.is_empty(), "{scrubbed:#?}");
    }

    #[test]
    fn every_variable_of_the_catalogue_is_secret_by_its_name_too() {
        let variables = catalogue().entries().flat_map(|entry| &entry.credential.variables);
        let names = variables.map(String::as_str).collect::<Vec<_>>().join(" ");
        let missed = unlike(&names, |verdict| verdict == NameVerdict::Secret);
        assert!(missed.is_empty(), "{missed:#?}");
    }

    #[test]
    fn a_judgement_names_its_rule() {
        let rule = |name| scrub_rules().classify_name(name).rule;
        assert_eq!(rule("PGPASSWORD"), "the name `PGPASSWORD`");
        assert_eq!(rule("TF_VAR_region"), "names like `TF_VAR_*`");
        assert_eq!(rule("MY_TOKEN_X"), "the word `TOKEN`");
        assert_eq!(rule("EDITOR"), "");
    }
}
