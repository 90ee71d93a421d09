//! The settings as flags of the command line.

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::settings::{FIELDS, Settings};
use crate::value::ENROLLED;

/// The settings that were given as flags: name and text.
#[derive(Clone, Debug, Default)]
pub struct SettingFlags(pub Vec<(&'static str, String)>);

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let defaults = Settings::default();
        FIELDS.iter().fold(command, |command, field| {
            let default = defaults.show(field.name);
            let default = default.trim_matches('"');
            let shown = if default.is_empty() {
                String::new()
            } else {
                format!(" [default: {default}]")
            };
            let help = format!(
                "{}{shown} [env: {}]",
                field.help.trim().trim_end_matches('.'),
                field.variable()
            );
            let arg = Arg::new(field.name).long(field.flag()).value_name("VALUE").help(help);
            // `--node` alone says that this is a node.
            let arg = match field.name {
                "node" => arg.num_args(0..=1).default_missing_value(ENROLLED),
                _ => arg,
            };
            command.arg(
                arg.help_heading("Settings")
                    .hide_short_help(!SHORT.contains(&field.name)),
            )
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// The settings that the short help (`-h`) shows too.
const SHORT: [&str; 3] = ["data", "listen", "store"];

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |name: &'static str| Some((name, matches.get_one::<String>(name)?.clone()));
        Ok(SettingFlags(
            FIELDS.iter().filter_map(|field| given(field.name)).collect(),
        ))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
