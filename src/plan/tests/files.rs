//! Files of the project.

use super::*;

#[test]
fn dotenv_files_keep_everything_but_secrets() {
    let text = format!(
        "# Stripe, old: STRIPE_KEY=sk_live_oldoldoldoldold42\r\n\
         export STRIPE_KEY=\"{STRIPE}\"   # do not share\r\n\
         PORT=3000\r\n\
         DATABASE_URL='postgres://ann:p4ssw0rd-p4ss@db/app'\r\n\
         AUTH_HEADER=\"Bearer ${{STRIPE_KEY}}\"\r\n\
         API_KEY=${{RAW:-fallback-9876543210}}\r\n\
         RAW=rawvalue-1234567890\r\n\
         OTHER_TOKEN=${{RAW}}\r\n\
         PRIVATE_KEY=\"-----BEGIN PRIVATE KEY-----\r\nMIIEvQIBADANBg\r\n-----END PRIVATE KEY-----\"\r\n\
         EMPTY=\r\n\
         GREETING='hello # world'"
    );
    let planned = Case::default().dotenv("/p/.env", &text).plan();
    assert_eq!(
        planned.named("/p/.env"),
        "# Stripe, old: STRIPE_KEY=<STRIPE_KEY.2>\r\n\
         export STRIPE_KEY=\"<STRIPE_KEY>\"   # do not share\r\n\
         PORT=3000\r\n\
         DATABASE_URL='postgres://ann:<DATABASE_URL>@db/app'\r\n\
         AUTH_HEADER=\"Bearer ${STRIPE_KEY}\"\r\n\
         API_KEY=${RAW:-<API_KEY>}\r\n\
         RAW=<RAW>\r\n\
         OTHER_TOKEN=${RAW}\r\n\
         PRIVATE_KEY=\"<PRIVATE_KEY>\r\n\r\n\"\r\n\
         EMPTY=\r\n\
         GREETING='hello # world'"
    );
    assert!(planned.hosts("STRIPE_KEY.2").is_empty(), "an old key in a comment is never used");
}

#[test]
fn a_key_that_lost_its_quotes_is_hidden_line_by_line() {
    let text = "KEY_PEM=-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nQ2hpY2tlbg==\n-----END PRIVATE KEY-----\nA=b\n";
    let planned = Case::default().dotenv("/p/.env", text).plan();
    for line in ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "Q2hpY2tlbg"] {
        planned.assert_hides(line);
    }
    assert!(planned.masked("/p/.env").ends_with("A=b\n"), "{}", planned.masked("/p/.env"));
    assert_eq!(planned.masked("/p/.env").lines().count(), 5);
}

#[test]
fn what_cannot_be_read_for_sure_is_hidden_whole() {
    let planned = Case::default()
        .dotenv("/p/.env", "A=b\nSTRIPE_KEY='sk_live_open0123456789\n")
        .dotenv("/p/.env.utf16", "\u{0}A=b")
        .json("/p/.mcp.json", "x", &[("/**", None, Judge::ByName, Form::Plain)], "{ broken")
        .found("/p/.env.fifo", None, Content::Unreadable)
        .found("/p/.ssh", None, Content::Directory)
        .plan();
    for path in ["/p/.env", "/p/.env.utf16", "/p/.mcp.json", "/p/.env.fifo"] {
        assert_eq!(planned.masked(path), "(empty)", "{path}");
    }
    assert_eq!(planned.masked("/p/.ssh"), "(no entries)");
    assert_eq!(planned.plan.warnings.len(), 4, "{:?}", planned.plan.warnings);
    planned.assert_hides("sk_live_open0123456789");
}

#[test]
fn files_without_secrets_stay() {
    let planned =
        Case::default().dotenv("/p/.env", "PORT=3000\n# a comment\n").found("/p/id_rsa", None, Content::Unread).plan();
    assert_eq!(planned.masked("/p/.env"), "(not masked)");
    assert_eq!(planned.masked("/p/id_rsa"), "(empty)");
}

#[test]
fn every_name_of_a_masked_file_is_masked_and_an_unseen_one_refused() {
    let mut case = Case::default().dotenv("/p/.env", "STRIPE_KEY=sk_live_0123456789abcdef\n");
    case.findings.found[0].aliases = vec!["/p/copy".into(), "/mnt/p/.env".into()];
    let planned = case.plan();
    assert_eq!(planned.masked("/p/copy"), planned.masked("/p/.env"));
    assert_eq!(planned.masked("/mnt/p/.env"), planned.masked("/p/.env"));

    let mut case = Case::default().dotenv("/p/.env", "STRIPE_KEY=sk_live_0123456789abcdef\n");
    case.findings.found[0].unseen_links = 1;
    let error = case.try_plan().err().unwrap();
    assert_eq!(error.to_string(), "`/p/.env`: has 2 hard links, and only 1 could be found");
    assert!(error.hint().unwrap().contains("-samefile"));

    let mut case = Case::default().dotenv("/p/.env", "PORT=1\n");
    case.findings.found[0].unseen_links = 1;
    assert!(case.try_plan().is_ok(), "without a secret there is nothing to refuse");
}

#[test]
fn without_the_seal_nothing_is_masked_and_that_is_said() {
    let mut case = Case::default().dotenv("/p/.env", "STRIPE_KEY=sk_live_0123456789abcdef\n");
    case.policy.isolation.value = Isolation::None;
    let planned = case.plan();
    assert!(planned.plan.masks.is_empty());
    assert!(planned.plan.warnings[0].starts_with("`/p/.env` and whatever else"), "{:?}", planned.plan.warnings);
}

#[test]
fn guards_give_way_to_masks() {
    let mut case = Case::default().dotenv("/p/.env", "STRIPE_KEY=sk_live_0123456789abcdef\n");
    case.findings.guarded = vec!["/p/.env".into(), "/p/.git/hooks".into()];
    assert_eq!(case.plan().plan.guarded, [PathBuf::from("/p/.git/hooks")]);
}

#[test]
fn shell_start_up_files_are_rendered_as_code() {
    let text = "# ~/.bashrc\nif [ -f ~/.x ]; then . ~/.x; fi\nexport STRIPE_KEY=sk_live_0123456789abcdef PORT=1; echo hi\n\
                alias ll='ls -l'\ntoken=substr($0, start)\nexport PATH=\"$HOME/bin:$PATH\"\nexport OTHER_TOKEN=$(pass show other)\n";
    let planned = Case::default().shell("/h/.bashrc", text).plan();
    assert_eq!(planned.named("/h/.bashrc"), text.replace("sk_live_0123456789abcdef", "<STRIPE_KEY>"));
}

#[test]
fn passwords_in_aliases_and_functions_are_found() {
    for (text, secret) in [
        ("alias api='curl -u ann:horse https://api.example'\n", "horse"),
        ("alias db=\"mysql -uroot -phorse app\"\n", "horse"),
        ("copy() { sshpass -p horse scp \"$1\" host:; }\n", "horse"),
        ("rsync --password=horse a b\n", "horse"),
        ("get() {\n  curl -H \"Authorization: Bearer correcthorse\" \"$1\"\n}\n", "correcthorse"),
        ("set -gx DBPASS horse\n", "horse"),
    ] {
        let masked = Case::default().shell("/h/.bashrc", text).plan().masked("/h/.bashrc");
        let (before, after) = text.split_once(secret).unwrap();
        assert!(masked.starts_with(before) && masked.ends_with(after) && masked != text, "{text}: {masked}");
    }
}

#[test]
fn credentials_in_git_configuration_are_found() {
    let text = "[remote \"origin\"]\n\turl = https://ann:ghp_16C7e42F292c6912E7710c838347Ae178B4a@github.com/a/b.git\n\
                \tfetch = +refs/heads/*:refs/remotes/origin/*\n[http \"https://github.com/\"]\n\
                \textraheader = AUTHORIZATION: basic eC1hY2Nlc3MtdG9rZW46Z2hzXzAxMjM=\n[user]\n\tname = Ann # me\n";
    let planned = Case::default().dotenv("/p/.git/config", text).plan();
    let masked = planned.named("/p/.git/config");
    let expected = text
        .replace("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "<url>")
        .replace("eC1hY2Nlc3MtdG9rZW46Z2hzXzAxMjM=", "<AUTHORIZATION>");
    assert_eq!(masked, expected);
}

#[test]
fn a_guard_closes_what_lies_outside_and_refuses_what_the_project_shows() {
    let case = |allow_readable| {
        let mut case = Case { allow_readable, ..Case::default() }
            .found("/home/u/.ssh", None, Content::Directory)
            .json(
                "/home/u/.claude.json",
                "x",
                &[("/key", None, Judge::Always, Form::Plain)],
                r#"{"key":"abcdefghijklmnop"}"#,
            )
            .dotenv("/p/.env", "STRIPE_KEY=sk_live_4eC39HqLyjWDarjtT1zdp7dc")
            .dotenv("/p/.env.plain", "COLOUR=red");
        case.policy.isolation.value = Isolation::Guarded;
        case.findings.guarded = ["/p/.git/hooks", "/home/u/.bashrc"].map(PathBuf::from).to_vec();
        case.findings.sockets = vec!["/p/s".into()];
        case
    };
    let Err(PlanError::Readable { paths }) = case(false).try_plan() else { panic!("not refused") };
    assert_eq!(paths, [PathBuf::from("/p/.env")]);
    let planned = case(true).plan();
    assert_eq!(planned.masked("/home/u/.ssh"), "(unreadable)");
    assert_eq!(planned.masked("/home/u/.claude.json"), "(unreadable)");
    assert_eq!(planned.masked("/p/.env"), "(not masked)");
    assert_eq!((planned.plan.watched, planned.plan.guarded.len()), (vec![PathBuf::from("/p/.git/hooks")], 0));
    assert!(planned.plan.warnings.iter().any(|warning| warning.contains("`/p/.env`")), "{:?}", planned.plan.warnings);
}
