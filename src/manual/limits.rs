//! What this version does not do, each with its reason.
//!
//! * **What is kept of the home** are regular files, symlinks and the names of what was deleted: 2,000 files and 64 MiB a
//!   run, shallow ones first, for 30 days and up to 512 MiB. Owners, attributes and empty directories are not kept, and a
//!   power failure right after a run may lose what it kept. Root's changes of system directories are named and gone. A
//!   parent that is killed keeps nothing.
//! * **A masked file that may be changed** (`--writable FILE`) is merged at a normal end: values go back where their
//!   placeholders stood, if the text around them is the same. Where the host's file was changed too, where a value would be
//!   lost, or where the file cannot be read any more, the host's stays and the command's is put beside it with
//!   placeholders. What stands around a value is the command's choice: whoever lets it write the settings of a tool lets it
//!   choose where that tool sends the keys in them. In the project the file can be written and not renamed over. Access
//!   lists and attributes of the file are not kept, and one that is hidden whole is not opened by the flag.
//! * **Redaction finds whole values**, as they are, in UTF-16 and UTF-32, in base64, in hexadecimal digits of one case, and
//!   with any of their characters escaped as in JSON, in a URL or a form, or in a page (numbers and the five names of XML).
//!   Base64 may be broken into lines anywhere (`\n`, `\r\n`, and either escaped in a JSON string); lines that are indented,
//!   numbered or quoted (`> `) hide a value in it, and so does an empty line; one of over 48 KiB is not found in lines. A
//!   server that returns a value reversed, hashed, cut or otherwise transformed is out of reach for good; so is one that
//!   escapes twice, or encodes what is escaped or encoded already: base64 of UTF-16, base64 with an escaped `/`. Bound
//!   hosts are asked for uncompressed responses. One that comes in gzip, deflate, br or zstd (at most three in a row) is
//!   decoded and goes on uncompressed, with a weak `ETag`; any other coding is refused with 502, and a body that is broken,
//!   cut or a decompression bomb ends as an error.
//! * **Bodies share 256 MiB.** The windows of decoders and request bodies that are read whole hold no more than that in one
//!   run; what finds it spent waits for ten seconds and is answered 503 then.
//! * **WebSockets of bound hosts are not compressed**: `permessage-deflate` is not offered to them.
//! * **Bound hosts give whole answers.** `Range` (and `x-ms-range`) is not passed on to them: a child that chooses where an
//!   answer is cut could have a value in two halves. Their answers say `Accept-Ranges: none`, and a download that would go
//!   on from its middle gets `200` and begins anew. With `scan = "strict"` in its binding it is refused with 403. With
//!   `scan = "off"` the part is asked for and searched as it comes, so half a value in it passes; what cannot be searched (a
//!   coding that nobody knows, several parts in one body, a part of a compressed answer) passes as it is, and the end record
//!   says why.
//! * **A WebSocket needs HTTP/1.1 at the target.** Requests also go to targets that speak HTTP/2 alone, whatever the child
//!   speaks; an upgrade there is answered with 502.
//! * **Short values.** Values shorter than 12 bytes, and plain words, are replaced only where they are named (a variable, a
//!   key in `.env`): replacing them wherever they occur would break ordinary text. `explain` says so.
//! * **A key that was used can be misused.** The child may send any request that the rules allow with the secrets that are
//!   bound; narrow them with `rules` in the policy.
//! * **Credential files say where their secrets go** only in the home, by their own name and where this run may not write
//!   ([`crate::mask::Found::may_grant`]). A place that an earlier run could write, with `--writable` or as its project, is
//!   taken for the user's own. Other registries of cargo, `~/.vault-token` and everything whose host stands in another file
//!   are hidden and unbound. A cluster of `kubectl` with an authority of its own in the file is verified by the broker with
//!   that alone; a user of one whose authority stands in another file (`certificate-authority`), whose certificate is for
//!   another name (`tls-server-name`), or who logs in with a certificate, is hidden and unbound. Files in HCL (`.tfvars`,
//!   `.terraformrc`) and state of Terraform are hidden whole; so is YAML with aliases, tags or several documents, and a
//!   file in which a comment's mark follows a secret that programs read in different ways.
//! * **What files name besides** is followed from the user's own: includes, password stores, cookies and private keys of
//!   git's configuration, private keys and token files of kubeconfigs, files that a start-up file of a shell reads, or
//!   feeds to a command, by a path that is written out or begins with the home, four files deep. A path behind another
//!   variable or from a loop is not, nor is what another program than `cat` prints, nor what the configuration of a
//!   repository includes. Transcripts of agents' earlier sessions, which may repeat a key, are the agents' own state and
//!   are shown as they are.
//! * **Names that mean two things** (`SEED`, `PIN`, `OTP`, `SIGNING`, `ENCRYPTION`, `TOKENS`, `HMAC`) make a value secret
//!   that is neither a few plain words nor a number, and a number of four to ten digits where it is a code. A seed that is
//!   a number stays.
//! * **Opaque tunnels.** Targets without a bound secret are not decrypted, so that clients which pin certificates keep
//!   working. No secret can be injected there; what the child sends of its own is its own. Only how it begins is judged:
//!   TLS for another name is refused, a plaintext HTTP request is read. TLS that begins later (STARTTLS) is not looked at.
//! * **When values are fetched.** What this machine keeps is taken at the start of a run and kept to its end: files and
//!   variables that hold one must be found before the child starts. What a command or a server gives, and everything with a
//!   `cache`, is fetched when a request needs it ([`crate::source::Deferred`]): copies of it in files and variables are not
//!   looked for, and a response that is under way is searched for it from then on. Values that were fetched stay in memory
//!   to the end of the run, because the redactor looks for all of them; after 64 different values of one secret its
//!   requests are refused. `explain` fetches nothing, so that it does not show which files hold a stored value.
//! * **The encrypted file without a passphrase** protects against other users and against copies that lack its identity,
//!   not against programs that run as the user outside a sealed run. A passphrase given later protects the identity from
//!   then on; what an old disk or backup holds of the open one, it holds.
//! * **A keychain's dialogue** can be shown where there is a display; elsewhere a locked keychain is an error at once or
//!   after ten seconds. A value on its way through D-Bus is encrypted for the session, as the Secret Service defines it.
//! * **A call is its user's own.** `agentsecrets call` takes the same way as a run's request, but what it is answered goes
//!   to whoever typed it: token endpoints are not closed to it. Inside a run it is the child's, and the run decides.
//! * **Inside a run a call puts values into headers alone.** Any other client of the run may use each place that the
//!   binding names.
//! * **A place in a body** is looked for in JSON and forms that say what they are, in UTF-8 and in no content coding; such
//!   a body is read whole before it goes on, and one of more than 4 MiB is answered 413. In a JSON document that has a key
//!   on the way twice, or is broken, nothing is swapped. Trailers of such a request are not passed on.
//! * **Trust is of a text.** A trusted file that names a command outside of the project trusts what that command does; the
//!   project is looked for in its arguments as it is written, and a link outside of the project that leads into it is not
//!   followed. With `--isolation none` a child can trust files itself, as the user can.
//! * **Tokens minted at run time.** Token endpoints that the catalogue knows answer 403 until such tokens can be captured.
//! * **The terminal.** A sealed or guarded child has a terminal of its own, shown in the user's. What is typed while it is
//!   in front is its input, also what was meant for the shell afterwards. What it shows is shown: escape sequences reach
//!   the user's terminal as they would from any program. Standard streams on another terminal than the controlling one
//!   (`>/dev/pts/7`) are shown on the controlling one. `kill -STOP` on the parent stops the parent alone, for no program
//!   learns of that signal; the command waits as soon as it has to show something. An interrupt key that the command takes
//!   for itself does not reach the script around the run; one of which it dies does. With `--isolation none` the child
//!   keeps the user's terminal and can read it, set it, and type into it where the kernel allows it; in a CI job, too, it
//!   can open `/dev/tty` there. Its certificates lie in a folder that a process of ours removes when the parent is gone;
//!   whoever kills both keeps it.
//! * **A login in the browser comes back to the child, and ends there.** Links are opened and callback ports published, but
//!   the exchange of the code for a token is refused until such tokens can be captured (see above): log in outside of a
//!   run, whose login file is rendered inside.
//! * **The browser is the user's own.** Links go only to hosts that policy lets the child reach, yet the browser resolves
//!   the name itself: one that leads to a private address, or a site that redirects there, is opened. `--no-browser` leaves
//!   the bridge out. Under a full-screen program the link is shown when the run ends; the program shows it itself mostly.
//! * **`--publish auto` cannot tell** a port that the child chose from one that the kernel gave it, and publishes both, on
//!   the host's loopback, where every user of the machine can connect.
//! * **A socket that was named by `--loopback` is the child's.** What its service does for whoever connects it does for the
//!   child; the banner says so for those that are known to hand out more than data. Descriptors do not pass, and the
//!   service sees this program as its peer.
//! * **Logins of agents last as long as their access token**: what a refresh would mint is not captured, so its endpoint is
//!   closed. An agent's login with a browser, inside, ends at the same door; log in outside of a run.
//! * **Helpers that fetch keys** (`apiKeyHelper` of Claude Code) run inside and see what the seal shows: they can print a
//!   placeholder and fetch nothing.
//! * **Settings that a machine's owner enforces** (`/etc/claude-code`) are read as they are.
//! * **A new file shows for a moment.** The kernel tells of a file after it is there, so one that the host replaces or
//!   makes is masked within milliseconds, and not at once; `log show` has the time. A child that keeps every processor and
//!   the file system busy makes that longer: a quarter of a second was seen for a `.env`, and a second for a file that is
//!   found by the value in it. The child sees what the file held at the start. Of new files those are masked that rules
//!   render (`.env`) and in which a value is long and no plain word and no placeholder; who wrote it cannot be told, so a
//!   child that generates a key into `.env` finds the file read-only after. What rules hide whole (states, key stores) is
//!   not hidden when it is new, since the child's own tools make such files.
//! * **What is opened within that moment stays open.** A child that waits for a new secret file with a loop of `open(2)`
//!   has its content. One that moves it or gives it a second name is followed, and each name is masked (`log show` has
//!   them); where it moves it without end the run ends. It is a race all the same. Not followed is a file that is linked,
//!   removed and moved on under ever new names while nothing is written to it, nor one that is moved among git's objects
//!   before it was looked at. Other writable trees hold no such name: each is a mount of its own, and link(2) and rename(2)
//!   do not cross them. A file that the host changes through a mapping (`mmap(2)`) after it was closed is not told of. A
//!   new file of a kind that rules hide whole is not masked before the next run.
//! * **Copies of known values are found when their file is closed.** While a run goes on, a file of the project that is
//!   closed after writing, moved there or given a second name is searched for the values that were known at the start, and
//!   shows until it was. Not searched are files over 64 MiB, those that whoever writes them keeps open, those that the user
//!   may not read, and trees of `--writable`. A file that takes long is searched a tenth of the time at most. Where more is
//!   written than can be searched, the project is walked for what was changed. `--no-sweep` leaves all of it out.
//! * **A new repository keeps what starts nothing.** Those that a run made in the project and in trees of `--writable` are
//!   judged at its end by a list of settings that are known to start nothing; what else their configuration says is set
//!   aside, also where it was meant well (`git lfs install --local`, an alias), and so are their hooks. Not judged is what
//!   waits for a command that the user types: an interrupted rebase with `exec` in its list (`git rebase --continue`), and
//!   what the project's own files have its build and its tests do. Repositories in package caches are not looked at. Those
//!   that were there at the start are guarded, and read as they are.
//! * **A linked worktree's repository is writable** and guarded as `.git` would be, where its own link leads back to the
//!   project. The checkout of a submodule, and a repository put elsewhere by `--separate-git-dir`, have no such link: what
//!   is committed there ends with the run, and the banner says so. `--writable` on the repository lets it land.
//! * **A file that is read-only inside stands in git's way.** Where two branches differ in a guarded or masked file that
//!   git tracks (`.vscode/settings.json`, `.env`), `git switch`, `git stash` and `git reset --hard` between them fail
//!   inside with "Device or resource busy", and leave the file as it was beside what else they changed; so do `git rm` and
//!   `git mv` of it. `git config`, `git remote add`, `git branch -m` and setting up tracking fail for `.git/config`. Switch
//!   outside of the run, or open the file with `--writable FILE`, which lets git write what the host's editor obeys.
//! * **Of what guarded files name, the next step is guarded.** That is what git's settings name, and what shells read by
//!   `.`, `source`, `source_env` or `eval` where they start and in a folder's `.envrc`. Not followed are paths behind other
//!   variables than the home, directories that are put on PATH, what those scripts start in turn, and scripts that tasks of
//!   editors, hooks of agents and `mise.toml` name: look at what a run changed before you start those outside.
//! * **A `.env` that is copied from a template** (`cp .env.example .env`) stays the child's own as long as each value in it
//!   that looks secret stands in the template too. A template of another name than `.env.example`, `.env.sample`,
//!   `.env.template`, `.env.dist` or `.env.defaults`, or in another directory, is not looked at.
//! * **What a host makes under a guarded name during a run** (`.mcp.json`, `.vscode/settings.json`) is taken for the
//!   child's and set aside, since nothing tells who made it.
//! * **Outside of the project only what rules find is masked**: the `.env` of another project in the home stays readable.
//!   The project, and what `--writable` names, is swept: every file is read to its end and searched for the values that are
//!   known at the start, raw. Encoded values, compressed ones (git's objects, archives) and those that are fetched later
//!   are not found; neither are parts of a value, values of less than 12 bytes, plain words, and text in UTF-16. A file
//!   that cannot be searched (over a gibibyte, closed to the user) is hidden whole. One that holds a value is read-only
//!   inside, a source file with a key in it too. A project that is the home or lies above it is not swept.
//! * **Private keys** of the project are found under any name by how their file begins, where the project is searched: not
//!   in a run that knows no value, nor with `--no-sweep`, nor below `node_modules`, `vendor`, `site-packages`, `testdata`
//!   and `fixtures`. One that stands inside another file (source, YAML) is not.
//! * **Build files** are not guarded (`Makefile`, `package.json`, `.npmrc`, `rust-toolchain.toml`, `.cargo/config.toml`,
//!   `.bazelrc`, `.mvn`): who builds on the host what a run has written runs it, and its package manager sends the user's
//!   own token to the registry that they name.
//! * **The level `guarded`** closes files and masks none, so a login file that a seal would render is unreadable there, and
//!   directories on the way to a closed file can neither be listed nor take new files. Landlock judges a connection by its
//!   port alone; an address that listens on the broker's is reached past it, and the child may listen itself. It keeps
//!   nothing read-only inside a writable directory: changes of hooks and settings are reported at the end. What is made in
//!   a writable directory while the run goes on, by the host too, is closed to nobody. Shared memory, names and arguments
//!   of other processes, names of the kernel's keys and control groups, file metadata and `/tmp` are the host's.
//!   `agentsecrets prove --isolation guarded` tries each of these and tells it with its reason; it fails, as the escape
//!   suite does, when one that is said to be open is not. To judge addresses as well, a process outside would have to make
//!   each connection for the child (seccomp's notifications, `pidfd_getfd(2)`), for what it only looks at the child changes
//!   behind its back. Docker's filter lets nobody make that call without `CAP_SYS_PTRACE`, so that the hole would stay open
//!   where the level is needed most.
//! * **Names that do not exist yet** can be made while a run lasts. What stands at its end under a guarded name, in the
//!   project's root, in a writable place of the home or in a missing directory of PATH, is set aside beside its place as
//!   `agentsecrets-aside.RUN.NAME`, and the user is told; a parent that is killed sets nothing aside. Settings of editors,
//!   agents, shells, debuggers and version control are so in any folder of the project, and new symlinks on the way to them
//!   are too (`.claude`, but also a link to a program that is called `mise`), but not below `node_modules` and its like,
//!   which installers remove and make anew. Names that the user chooses (`*.code-workspace`) are not known, nor is a
//!   `.jj/repo` that is a file and leads elsewhere. Beyond four million directories, or paths of 8 KiB, nothing is looked
//!   at, and the user is told.
//! * **What git's settings name is found in their words.** Of each setting that is not known to start nothing, every word
//!   that is the path of a file in the project or another writable tree is read-only inside, and what comes into being
//!   there is set aside at the end; by what the user's own settings name, in each new repository too. So are directories
//!   that hold hooks or templates, or are named with a slash in a command, but not those in an alias, which are mostly
//!   worked on. Some such files are only shown or read by the command, and read-only all the same. Not seen are programs
//!   that those programs start in turn or find by a name of their own (`make x`, `npm run x`, `python -m x`, what a script
//!   includes, a module in a directory that an alias names), names without a dot or slash in an alias or behind `git`,
//!   names that a shell puts together (`$X.sh`) or that hang on the folder that the user stands in, what variables have git
//!   start (`GIT_EDITOR`, `GIT_SSH_COMMAND`), and a directory that is the top of a repository (`core.hooksPath = .`). While
//!   the run lasts, a git of the host's obeys what the child makes under a name that was missing.
//! * **Package caches are shared** with the host (`~/.cache`, `~/.npm`, cargo's registry), so that installs are fast; what
//!   a host program executes from there, it executes from a place that the child could write. What shells and editors run
//!   at each start is read-only there.
//! * **Program directories of PATH are read-only**, an activated virtual environment of the project included: install
//!   packages outside of a run, or deactivate it.
//! * **A file given as standard input** is opened anew for the command, and its position is given back when the run ends: a
//!   process outside that reads the same descriptor meanwhile does not see it move.
//! * **A file given as standard output** can be opened again through `/proc/self/fd/1`: the child can read and change all
//!   of it, its mode too.
//! * **Real root** can leave a set-user-id file in the project; its run sees no home but its own, and none of the machine's
//!   keys that `policies/files.toml` lists.
//! * **`agentsecrets prove`** plants an item in a keychain that runs and is open, in a workspace of the proof's own, and
//!   takes it away, also when the proof is killed. Where the process that does so is killed as well, an item `CANARY_ITEM`
//!   stays: it holds a random text that is worth nothing.
