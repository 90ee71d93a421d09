//! Writes the reference pages from the declarations: the settings file, the settings page, the command line.

use clap::{Command, CommandFactory};

use crate::command::Line;
use crate::settings::{FIELDS, Settings};

/// A settings file with every setting at its present value, explained, commented out.
pub fn settings_file(settings: &Settings) -> String {
    let mut out =
        String::from("# Settings of epis. Every line shows the value in force; remove the # to set it here.\n");
    for field in FIELDS {
        out.push('\n');
        for line in field.help.lines() {
            out.push_str(&format!("#{line}\n"));
        }
        out.push_str(&format!(
            "# {} = {}\n",
            field.name,
            without_password(&settings.show(field.name))
        ));
    }
    out
}

/// The value, without the password that the address of a database may hold.
fn without_password(value: &str) -> String {
    let parts = value
        .split_once("://")
        .and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?)));
    match parts.and_then(|(scheme, (user, host))| Some((scheme, user.split_once(':')?.0, host))) {
        Some((scheme, user, host)) => format!("{scheme}://{user}:***@{host}"),
        None => value.to_owned(),
    }
}

/// The page `docs/reference/settings.md`.
pub fn settings_page() -> String {
    let mut out = String::from(
        "# Settings\n\nWritten from the declaration in `src/server/settings.rs`; `EPIS_BLESS=1 cargo test -p epis` writes it anew.\n\n\
        A setting is looked for on the command line (`--body-bytes-max`), then in the environment (`EPIS_BODY_BYTES_MAX`), then in the \
        settings file (`body_bytes_max = \"64 MiB\"`), and has a default. The file is the one named with `--settings`, or `epis.toml` in \
        the data folder. An unknown name in it is an error that says the line. `epis settings` prints all settings with the \
        values in force.\n\n| setting | default | meaning |\n|---|---|---|\n",
    );
    let defaults = Settings::default();
    for field in FIELDS {
        let help = field.help.replace('\n', " ").replace('|', "\\|");
        out.push_str(&format!(
            "| `{}` | `{}` | {} |\n",
            field.name,
            defaults.show(field.name),
            help.trim()
        ));
    }
    out
}

/// The page `docs/reference/command-line.md`.
pub fn command_page() -> String {
    let mut out = String::from(
        "# Command line\n\nWritten from the declaration in `src/server/command.rs`; `EPIS_BLESS=1 cargo test -p epis` writes it anew. \
        Every command also takes every [setting](settings.md) as a flag.\n",
    );
    commands(&Line::command(), "epis", &mut out);
    out
}

/// The page `docs/reference/operations.md`.
pub fn operations_page() -> String {
    interaction::operation_parameters::page()
}

/// Appends a chapter for each command below one, those that have commands of their own as chapters of those.
fn commands(above: &Command, path: &str, out: &mut String) {
    for found in above.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = format!("{path} {}", found.get_name());
        if found.has_subcommands() {
            commands(found, &name, out);
            continue;
        }
        let mut command = found.clone().bin_name(&name).term_width(100);
        command = command.mut_args(|arg| {
            if arg.get_help_heading().is_some() {
                arg.hide(true)
            } else {
                arg
            }
        });
        let help = command.render_long_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        out.push_str(&format!(
            "\n## {name}\n\n```text\n{}\n```\n",
            help.join("\n").trim_end()
        ));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn gather(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Settings, String> {
        let name = format!(
            "epis-settings-{}-{:x}.toml",
            std::process::id(),
            file.len() * 31 + flags.len()
        );
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, file).unwrap();
        let variable = |name: &str| {
            environment
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, text)| (*text).to_owned())
        };
        let flags: Vec<(&str, String)> = flags.iter().map(|(n, t)| (*n, (*t).to_owned())).collect();
        let settings = Settings::gather(Some(&path), &variable, &flags);
        std::fs::remove_file(&path).unwrap();
        settings
    }

    #[test]
    fn flags_win_over_environment_over_file_over_defaults() {
        let file =
            "# ours\npage_size = 10\npage_size_max = 20\nnode = 7\nunique_identifiers = [\"urn:a\", \"urn:b\"]\n";
        let environment = [("EPIS_PAGE_SIZE", "11"), ("EPIS_PAGE_SIZE_MAX", "21")];
        let settings = gather(file, &environment, &[("page_size_max", "22")]).unwrap();
        assert_eq!(
            (settings.page_size, settings.page_size_max, settings.node.0),
            (11, 22, Some(7))
        );
        assert_eq!(settings.unique_identifiers, ["urn:a", "urn:b"]);
        assert_eq!(settings.json_depth_max, Settings::default().json_depth_max);
    }

    /// A file, an environment, and what is said of them.
    type Wrong<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let table: [Wrong<'_>; 6] = [
            ("\nnode = 1\npage_sise = 3\n", &[], "line 3: `page_sise` is no setting"),
            ("page_size = \"many\"", &[], "line 1: `page_size` is a whole number"),
            ("node = 1\nnode = 2", &[], "line 2: "),
            ("node = = 2", &[], "line 1: "),
            ("[limits]\nnode = 2", &[], "line 1: `limits` is no setting"),
            ("", &[("EPIS_ZONE", "east")], "EPIS_ZONE is a time zone"),
        ];
        for (file, environment, expected) in table {
            let said = gather(file, environment, &[]).unwrap_err();
            assert!(said.contains(expected), "{file:?} said {said:?}");
        }
        let missing = Settings::gather(Some(Path::new("/nowhere/epis.toml")), &|_| None, &[]).unwrap_err();
        assert!(missing.contains("/nowhere/epis.toml cannot be read"), "{missing}");
    }

    #[test]
    fn the_printed_file_can_be_read_back() {
        let printed = settings_file(&Settings::default());
        let set = printed.lines().map(|l| {
            l.strip_prefix("# ")
                .filter(|l| l.contains(" = ") && !l.contains("#"))
                .unwrap_or("")
        });
        let set: Vec<&str> = set
            .filter(|l| FIELDS.iter().any(|f| l.starts_with(&format!("{} =", f.name))))
            .collect();
        assert_eq!(set.len(), FIELDS.len());
        assert_eq!(gather(&set.join("\n"), &[], &[]).unwrap(), Settings::default());
    }

    #[test]
    fn the_reference_pages_are_those_of_the_declarations() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
        let pages = [
            ("settings.md", settings_page()),
            ("command-line.md", command_page()),
            ("operations.md", operations_page()),
        ];
        for (name, text) in pages {
            let path = folder.join(name);
            if std::env::var_os("EPIS_BLESS").is_some() {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&path, &text).unwrap();
            }
            let kept = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                kept == text,
                "{name} is out of date: EPIS_BLESS=1 cargo test -p epis writes it anew"
            );
        }
    }
}
