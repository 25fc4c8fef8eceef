//! What has gone wrong in tools of this kind, and what answers it here.
//!
//! Each row is of a public report, named so that it can be read; what it says may have been mended since. None of this is a
//! judgement of those tools as a whole: most of these mistakes are easy to make, and some of them were made here first.
//!
//! | what went wrong | where it was reported | what answers it |
//! |---|---|---|
//! | Sockets of the host (Docker's, the session bus) stay reachable: a read-only mount does not stop `connect(2)`, and neither does Landlock before ABI 9 | greywall 55, landrun 43, cplt 255, agent-safehouse 19 | the seal has its own `/run`, `/tmp` and home layer, and masks sockets in what is bound through: `unix-in-run`, `unix-in-home`, `unix-in-project`, `unix-in-cache` |
//! | Data leaves in the names that are looked up | httpjail 53, OpenShell 1169, coder/boundary 108 | the broker answers all names itself and looks up none that policy denies: `dns-denied-name` |
//! | Only proxy variables lead to the proxy; what ignores them goes around it | hermes-agent 30179, agent-vault 213 (a client with variables of its own), the agent proxy's own manual | the network namespace has no other way out: `tcp-other-port`, `udp-quic`, `tcp-fast-open` |
//! | The real key stays in the variable, since no stand-in was configured for it | nono 653 | names and patterns of values decide without configuration: `view::secrets_of_known_services_are_brokered_and_of_unknown_ones_hidden` |
//! | The program gets the real values, and only some outputs are searched for them | varlock 251 | the child has no value to print: `environments` |
//! | Answers with an error status are passed on unsearched | prismor 451 | every answer of a bound host is searched, whatever its status: `echo::an_echo_of_header_and_body_reaches_the_child_as_the_placeholder` |
//! | Enough decoys fill a list of findings, and what comes behind goes through | g0 168 | there is no such list; each value is looked for to the end of the body: `redact::tests::oracle::a_run_redacts_as_the_oracle_says` |
//! | Compressed bodies pass because they do not parse | openguardrails 40 | four codings are taken off, others refused: `echo::a_compressed_echo_reaches_every_client_as_the_placeholder`, `echo::what_cannot_be_decoded_is_refused_or_breaks_off` |
//! | The value that is searched for is fetched anew, and may be another than the one that was sent | vendo 548 | a value is known to the search from the moment that it is put in, and stays known: `stores::keeping::a_value_that_is_set_anew_is_sent_with_the_next_request` |
//! | Redirects carry the credential on, and names are resolved twice | orbflow 120, Portkey gateway 1718 | redirects are the child's own requests, and the judged address is the dialled one: `call::redirects::a_value_stays_behind_where_the_target_is_not_bound_to_it`, `egress::addresses_that_are_not_of_the_internet_are_refused` |
//! | HTTP/1.1 alone, so that clients of HTTP/2 fail | agent-vault 143, Infisical cli 386 | HTTP/1.1 and HTTP/2 on both sides: `places::each_place_gets_the_value_over_both_protocols_and_framings` |
//! | WebSockets fail, or nothing is swapped or searched in them | agent-vault 194, agent-vault 209, ironcurtain 341 | they pass, and their frames from upstream are searched: `clients::python_websocket`, `agents::codex::over_a_websocket`; frames that the child sends are not swapped yet |
//! | Events wait for a buffer | sbx 480, unity-gateway 361 | each is sent on at once: `streams::each_event_reaches_the_child_before_the_next_is_sent` |
//! | Placeholders are refused by clients that check the form of a key | nono 1868, nono 1489, gh-aw-firewall 3094 | they have the prefix, alphabet and length of the service's keys: `catalogue::every_service_gets_its_key_from_requests_that_its_own_clients_make` |
//! | Values are fetched once, and are too old later | nono 770 | commands and servers are asked when a request needs the value: `stores::keeping::what_a_program_prints_is_fetched_when_it_is_used` |
//! | The loopback services of the host are reachable, or those of the child are not | lens-sandbox 367 | the loopback inside is the child's own: `host-loopback`, `egress::the_loopback_inside_is_the_child_s_own` |
//! | Host and proxy read the target differently | any that takes the name from one place and the address from another | authority, SNI and `Host` must agree, else 421; the dialled address is thrown away: `lan-by-name`, `host-loopback-connect-name` |
