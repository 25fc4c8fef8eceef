//! Rules for trees on disk.

use std::sync::LazyLock;

use crate::policy::FileRules;

pub(super) static RULES: LazyLock<FileRules> = LazyLock::new(|| {
    toml::from_str(
        r#"
        named = ["CREDENTIALS_FILE", "OTHER_FILE"]
        started = ["BASH_ENV", "ENV"]

        [hidden]
        cloud = [".config/cloud"]

        [root]
        homes = []
        paths = []

        [[rendered]]
        id = "git"
        group = "git"
        paths = [".gitconfig"]
        format = "git-config"

        [[rendered]]
        id = "git-credentials"
        group = "git"
        paths = [".git-credentials"]
        format = "git-credentials"

        [[rendered]]
        id = "shell"
        group = "shell"
        paths = [".shellrc", ".shell.d/*.sh"]
        format = "shell"

        [[rendered]]
        id = "kube"
        group = "cloud"
        paths = [".kube/config"]
        format = "yaml"

        [[rendered]]
        id = "tool-login"
        group = "tool"
        paths = [".tool/login.json"]
        format = "json"

        [moves]
        XDG_CONFIG_HOME = { replaces = ".config" }
        TOOL_HOME = { replaces = ".tool" }

        [project]
        hidden = ["config/*.key"]
        hidden-except = []

        [[project.rendered]]
        patterns = [".env", ".env.*"]
        except = [".env.example"]
        parents = true
        format = "dotenv"

        [guard]
        home = [".bashrc", "cache/prompt-*"]
        project = [".git/hooks", "agentsecrets.toml"]
        nested = [".tool/x.json", ".ide", ".envrc"]
        nested-except = ["node_modules"]

        [[writable]]
        paths = ["cache"]
        reason = "caches"
        "#,
    )
    .unwrap()
});
