//! A key in the keyring of a desktop: GNOME's, on a message bus of its own (Debian's `gnome-keyring` and `dbus-daemon`).

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::program;
use crate::support::{Project, Ran, run};

/// A bus at `BUS` for the programs of one user.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=BUS</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>
"#;

/// A user's session: a message bus, and, once unlocked, a keyring on it. Both end with the test.
struct Desktop {
    folder: tempfile::TempDir,
    programs: Vec<Child>,
}

impl Drop for Desktop {
    fn drop(&mut self) {
        self.end();
    }
}

impl Desktop {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        std::fs::create_dir(&run).unwrap();
        std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o700)).unwrap();
        let mut desktop = Self { folder, programs: Vec::new() };
        desktop.log_in();
        desktop
    }

    /// Starts the bus. The keyring stays locked.
    fn log_in(&mut self) {
        let (bus, config) = (self.bus(), self.folder.path().join("bus.conf"));
        std::fs::write(&config, BUS.replace("=BUS", &format!("={}", bus.display()))).unwrap();
        let mut daemon = Command::new(program("dbus-daemon", "dbus-daemon"));
        daemon.arg("--nofork").arg("--config-file").arg(config);
        self.keep(&mut daemon, "");
        until("the message bus", || bus.exists());
    }

    fn bus(&self) -> PathBuf {
        self.folder.path().join("run/bus")
    }

    /// Opens the keyring, for as long as its program works; the first time, that makes one.
    fn unlock(&mut self) {
        let mut keyring = Command::new(program("gnome-keyring", "gnome-keyring-daemon"));
        keyring.args(["--unlock", "--components=secrets", "--foreground"]);
        self.keep(&mut keyring, "the password of the session");
    }

    /// Ends its programs; the files stay.
    fn end(&mut self) {
        for mut program in self.programs.drain(..) {
            let _ = program.kill();
            let _ = program.wait();
        }
    }

    fn keep(&mut self, command: &mut Command, stdin: &str) {
        self.inside(command).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        self.programs.push(child);
    }

    /// A program of this session.
    fn inside<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let folder = self.folder.path();
        command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_RUNTIME_DIR", folder.join("run"));
        command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", self.bus().display()))
    }

    fn run(&self, project: &Project, args: &[&str]) -> Ran {
        run(self.inside(&mut project.command(args)))
    }

    /// Runs it until it ends well: a keyring is on the bus some time after its program has begun.
    fn soon(&self, project: &Project, args: &[&str]) -> Ran {
        let waited = Instant::now();
        loop {
            let ran = self.run(project, args);
            if ran.code == 0 || waited.elapsed() > Duration::from_secs(60) {
                return ran.good();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn until(what: &str, there: impl Fn() -> bool) {
    let waited = Instant::now();
    while !there() {
        assert!(waited.elapsed() < Duration::from_secs(60), "no sign of {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

const QUERY: [&str; 3] = ["query", "a", "people"];

/// The value is not to be had, and whoever asks is told where its key was looked for.
fn refused(query: &mut Command) {
    run(query.env("RUST_LOG", "error")).bad(1, &["the key", "was not found", "the system's keyring"]);
}

#[test]
#[ignore = "needs `cargo xtask servers`"]
fn a_key_in_the_keyring_opens_what_is_hidden_for_as_long_as_the_keyring_is_open() {
    let project = Project::empty();
    project.import("[connections.a]\nconnector = \"fixed\"\n[connections.a.settings]\ntoken = \"[who]\"\n");
    project.run_with(&["variables", "set", "who", "--hidden"], "value").good();
    let mut desktop = Desktop::start();
    desktop.unlock();

    let told = desktop.soon(&project, &["variables", "rotate-key", "--keyring", "--json"]).json();
    assert_eq!(told["values"], 1);
    let file = project.key_file();
    let keys = std::fs::read_to_string(&file).unwrap();
    assert_eq!(keys.lines().count(), 1, "the new key is in the keyring alone: {keys}");
    std::fs::remove_file(&file).unwrap();
    desktop.run(&project, &["test", "a"]).good();
    let nowhere = ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus");
    refused(project.command(&QUERY).env(nowhere.0, nowhere.1));

    // Another one follows it there, and both are known.
    desktop.run(&project, &["variables", "rotate-key", "--keyring"]).good();
    desktop.run(&project, &["test", "a"]).good();

    // It outlives the session, behind its password.
    desktop.end();
    std::fs::remove_file(desktop.bus()).unwrap();
    refused(desktop.inside(&mut project.command(&QUERY)));
    desktop.log_in();
    refused(desktop.inside(&mut project.command(&QUERY)));
    desktop.unlock();
    desktop.soon(&project, &["test", "a"]);
}
