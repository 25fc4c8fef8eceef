//! Each promise beside what holds it.
//!
//! A name with `::` is a test: `cargo test NAME`, its last part being enough. A name with `-` is an attack of
//! `agentsecrets prove` and of the escape suite, which tries it outside first, where it must win; `tests/escape/mechanisms.rs`
//! has for each mechanism of the seal the attack that wins without it. `tests/architecture.rs` fails where a name on this
//! page is of nothing.
//!
//! # Secrecy
//!
//! | promise | held by |
//! |---|---|
//! | **S1** nothing real in the child's environment | `view::secrets_of_known_services_are_brokered_and_of_unknown_ones_hidden`, `view::variables_are_passed_on_as_bytes`, `environments` |
//! | in its arguments | `bad_input::a_known_value_in_the_arguments_is_refused_without_repeating_it` |
//! | in `.env` and its kin | `view::a_dotenv_is_the_same_but_for_its_values`, `read-dotenv`, `read-dotenv-by-link`, `read-dotenv-by-hard-link`, `read-dotenv-moved`, `read-dotenv-by-renamed-ancestor`, `read-dotenv-by-renamed-project`, `read-backup`, `read-swap-file`, `read-lock-file` |
//! | in credential files | `files::gh_reads_its_hosts` and its neighbours, each read by its own tool; `files::hostile::what_cannot_be_read_for_sure_is_hidden_in_bounded_time_and_memory`, `read-credentials` |
//! | in any other file of the project | `sweep::a_known_value_is_a_placeholder_in_whatever_file_it_stands` |
//! | in files that are replaced or made later | `live::a_file_that_is_replaced_is_masked_again`, `live::a_new_secret_file_is_masked_and_one_without_secrets_is_not`, `live::a_credential_file_in_a_writable_tree_is_masked_again`; `live::without_the_masks_a_replaced_file_shows` is the control; `read-dotenv-replaced`, `read-made-by-host`, `read-made-in-new-folder`, `read-credentials-replaced` |
//! | in descriptors that it inherits | `read-by-inherited-file`, `read-by-stdin-file`, `read-by-stdin-directory` |
//! | in new files that are moved or linked before they are masked | `live::moved::what_is_renamed_or_linked_at_once_is_masked_under_each_name`, `live::moved::no_name_leads_into_another_writable_tree`; `live::moved::without_the_masks_each_of_them_shows` is the control |
//! | in copies that are made later | `live::swept::a_file_with_a_known_value_is_masked_whatever_it_is_called`, `live::swept::a_second_name_that_the_host_gives_is_masked`; `live::swept::without_the_sweep_a_copy_shows` is the control |
//! | in new files under a flood, and by second mounts | `live::flood::a_flood_in_one_directory_does_not_hold_up_a_mask_in_another`, `live::mounted::a_second_mount_shows_the_masks_too` |
//! | in what comes back | `echo::an_echo_of_header_and_body_reaches_the_child_as_the_placeholder`, `echo::a_compressed_echo_reaches_every_client_as_the_placeholder`, `scan::what_cannot_be_searched_is_refused_and_parts_are_not_asked_for`, and the oracle `redact::tests::oracle::a_run_redacts_as_the_oracle_says` |
//! | in what a masked file becomes that it may change | `merges::a_dotenv_of_the_project_is_merged_and_no_placeholder_travels` |
//! | **S2** nothing real in logs, errors, temporary files | the leak check of every test run (`tests/support/leak.rs`), itself held by `harness::a_leak_planted_anywhere_fails_the_run` |
//! | **S3** a value leaves for its own target alone | `places::another_host_gets_the_placeholder_and_a_huge_body_is_refused`, `echo::a_placeholder_that_travels_to_another_host_goes_out_inert`, `echo::plaintext_to_a_bound_host_carries_no_real_value`, `files::told::a_file_that_a_run_could_write_grants_nothing` |
//! | and in its own slot | `places::a_placeholder_anywhere_else_stays_one`, `echo::a_placeholder_in_a_prompt_stays_a_placeholder` |
//! | **S4** what is matched is what is sent | the property tests of [`crate::policy::RequestPath`] |
//! | **S5** no redirect is followed | `call::redirects::a_value_stays_behind_where_the_target_is_not_bound_to_it` |
//! | **S6** nothing hands the value out | `keyring`, `kernel-keys`, `unix-abstract`, `unix-in-run`, `unix-in-home`, `unix-in-project`, `metadata-connect`, `parent-memory`, `parent-environment`, `keychain-item` (`stores::keychain::an_item_of_a_real_keychain_is_proven_out_of_reach_and_does_not_stay`), `own-secrets-list`, `own-log-show`, `own-policy-show`, `own-call`, `run-inside-run`, `stores::walk::an_identity_of_the_users_own_is_out_of_the_childs_reach` |
//! | **S7** nothing is minted inside | `agents::claude::a_refresh_is_refused`; logins wait for the capture of tokens, see [`super::limits`] |
//!
//! # Confinement
//!
//! | promise | held by |
//! |---|---|
//! | **C1** refused rather than weaker | `guarded::where_nothing_can_be_sealed_a_run_refuses_and_says_what_mends_it`, `bad_input::a_policy_file_with_a_fault_is_refused_with_its_place`, `live::no_watches_no_run`, `read-dotenv-replaced-when-spent`, `read-made-when-flooded`, `sweep::a_name_outside_of_the_project_refuses_the_run` |
//! | **C2** no packet past the broker | `tcp-other-port`, `tcp-ipv6`, `tcp-fast-open`, `udp-other-port`, `udp-quic`, `icmp-raw`, `packet-socket`, `vsock`, `host-loopback`, `lan-connect`, `egress::addresses_that_are_not_of_the_internet_are_refused`, `host-loopback-connect-when-spent` |
//! | no name is looked up that policy denies | `dns-denied-name`, `egress::names_are_resolved_without_being_looked_up_when_denied` |
//! | **C3** the child changes no rule | `replace-own-state`, `plant-own-policy`, `stores::trust::a_child_trusts_nothing_and_a_run_keeps_its_rules` |
//! | and leaves nothing that runs later | `write-shell-start`, `write-git-hook`, `write-included-configuration`, `plant-commit-hook`, `plant-program-on-path`, `plant-helper-on-path`, `replace-path-directory`, `replace-path-ancestor`, `helper-on-path`, `write-cron`, `aside::what_tools_would_obey_is_set_aside_and_said`, `aside::settings_of_editors_are_guarded_in_any_folder`, `aside::repositories::after_a_run_no_repository_of_its_own_starts_a_program` (`aside::repositories::without_the_run_each_repository_starts_its_program` is the control), `aside::settings::what_did_not_exist_is_set_aside` and `aside::settings::programs_that_are_named_are_read_only` (`aside::settings::without_a_run_each_setting_starts_the_program` is the control of both), `aside::started::what_shells_run_is_read_only_or_set_aside` (`aside::started::without_a_run_each_is_started` is the control), `aside::worktrees::a_commit_lands_in_the_repository_and_nothing_there_starts_a_program`, `aside::worktrees::what_git_obeys_there_is_read_only`, `kept::what_is_obeyed_hidden_or_changed_needs_force_and_nothing_is_lost` |
//! | **C4** no privilege, and root no weaker | every row of the suite as root and as an ordinary user; `privileges-by-program`, `capability-admin` |
//!
//! # Life
//!
//! | promise | held by |
//! |---|---|
//! | **L1** nothing remains, whatever death | `lifecycle::a_killed_parent_leaves_nothing_at_any_stage`, `lifecycle::a_killed_parent_leaves_nothing_at_fifty_moments_under_load`, `kept::a_parent_killed_while_it_keeps_leaves_nothing_half`, `levels::a_killed_parent_leaves_no_folder`, `outlive`, `outlive-as-daemon` |
//! | **L2** the child's exit code | `lifecycle::every_exit_code_is_passed_on_after_any_life`, `lifecycle::death_by_each_signal_is_128_and_its_number`, `bad_input::a_wrong_command_line_is_said_and_starts_nothing` |
//! | **L3** no cut goes unnoticed | `streams::a_body_that_breaks_off_is_an_error_at_the_child`, `streams::uploads_of_every_framing_arrive_as_they_were_sent` |
//! | **L4** the decision is logged first | `bad_input::a_full_disk_for_the_log_fails_closed`, `view::the_audit_record_tells_what_happened_and_an_edit_shows` |
