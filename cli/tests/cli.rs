//! The program starts. That this test exists also makes `cargo test --workspace` build `share`, which the tests
//! with real processes run.

use std::process::Command;

#[test]
fn share_says_its_version_and_lists_its_verbs() {
    let share = |arg: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_share")).arg(arg).output().expect("share starts");
        assert!(output.status.success());
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    assert_eq!(share("--version").trim(), concat!("share ", env!("CARGO_PKG_VERSION")));
    let help = share("--help");
    for verb in ["init", "serve", "demo", "publish", "import", "list", "show", "status", "invite", "join", "verify"] {
        assert!(help.contains(verb), "{verb} is in the help");
    }
}
