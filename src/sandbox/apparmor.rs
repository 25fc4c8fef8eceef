//! A profile that lets one program make user namespaces where `AppArmor` restricts them: pure.

use std::path::Path;

/// The profile for the program at `executable`, with what to do with it as comments. `None` for a path that is no text.
pub fn apparmor_profile(executable: &Path) -> Option<String> {
    let path = escaped(executable.to_str()?);
    Some(format!(
        "# Lets agentsecrets make user namespaces, and restricts nothing. As root:\n\
         #   save it as /etc/apparmor.d/agentsecrets, then: apparmor_parser --replace /etc/apparmor.d/agentsecrets\n\
         abi <abi/4.0>,\n\
         include <tunables/global>\n\
         \n\
         profile agentsecrets \"{path}\" flags=(unconfined) {{\n\
         \x20 userns,\n\
         \n\
         \x20 include if exists <local/agentsecrets>\n\
         }}\n"
    ))
}

/// A path as `apparmor.d(5)` takes it: what would be a pattern or a variable stands for itself.
fn escaped(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for character in path.chars() {
        if "\\\"*?[]{}^@".contains(character) {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_program_and_grants_namespaces_alone() {
        let profile = apparmor_profile(Path::new("/home/a b/[x]/agentsecrets")).unwrap();
        assert!(
            profile
                .contains("profile agentsecrets \"/home/a b/\\[x\\]/agentsecrets\" flags=(unconfined) {\n  userns,\n"),
            "{profile}"
        );
        assert_eq!(profile.matches(",\n").count(), 2, "{profile}");
    }
}
