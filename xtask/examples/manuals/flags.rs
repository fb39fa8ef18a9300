//! The manual of all flags, made of what the programs say of their command lines.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};

use super::part::cell;

/// Where it is, in the folder of manuals.
pub(crate) const FILE: &str = "flags.md";

/// What it begins with.
const HEAD: &str = "<!-- Made by `cargo xtask generate` from the programs' command lines; do not \
    edit. -->\n\
    # Every flag of every program\n\n\
    What `--help` tells, of all commands. Where a variable of the environment is named, it has the \
    same meaning as the flag, which counts if both are given. Flags of groups in *italics* belong \
    together. What is *required* has to be given; what has no default and is not required may be \
    left out.\n";

/// The whole text.
pub(crate) fn text() -> String {
    let programs = [
        mesegate_proxy::cli::command(),
        mesegate_controller::cli::command(),
        mesegatectl::command(),
    ];
    let mut text = HEAD.to_owned();
    for mut program in programs {
        // Names of subcommands and texts are put together only now.
        program.build();
        section(&program, program.get_name(), "##", &mut text);
    }
    text
}

/// What is about one command, and about those below it.
fn section(command: &Command, path: &str, level: &str, text: &mut String) {
    let _ = write!(text, "\n{level} {path}\n");
    if let Some(about) = command.get_long_about().or(command.get_about()) {
        let _ = write!(text, "\n{}\n", sentence(&about.to_string()));
    }
    let own: Vec<&Arg> = command.get_arguments().filter(|it| is_own(it, level)).collect();
    if !own.is_empty() {
        text.push_str("\n| flag | variable | default | meaning |\n|---|---|---|---|\n");
        let mut group = None;
        for argument in own {
            if argument.get_help_heading() != group {
                group = argument.get_help_heading();
                let _ = writeln!(text, "| *{}* | | | |", group.unwrap_or("Others"));
            }
            row(argument, text);
        }
    }
    for below in command.get_subcommands().filter(|it| it.get_name() != "help") {
        section(below, &format!("{path} {}", below.get_name()), "###", text);
    }
}

/// Whether it has to be told of here: not what all programs have, nor what was told of above.
fn is_own(argument: &Arg, level: &str) -> bool {
    let common = matches!(
        argument.get_action(),
        ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
    );
    let told = argument.is_global_set() && level != "##";
    !common && !told && !argument.is_hide_set()
}

fn row(argument: &Arg, text: &mut String) {
    let variable = argument.get_env().map(|it| format!("`{}`", it.to_string_lossy()));
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    // Defaults that are not values are told in words.
    let (help, told) = match help.rsplit_once("[default: ") {
        Some((help, default)) => {
            (help.trim_end().to_owned(), default.trim_end_matches(']').to_owned())
        }
        None => (help, String::new()),
    };
    let values = argument.get_default_values();
    let shown = argument.get_action().takes_values() && !argument.is_hide_default_value_set();
    let default = match values {
        [] if argument.is_required_set() => "*required*".into(),
        [] => cell(&told),
        [value] if shown && value.is_empty() => "empty".into(),
        _ if shown => {
            let values: Vec<_> = values.iter().map(|it| it.to_string_lossy()).collect();
            format!("`{}`", values.join(","))
        }
        _ => String::new(),
    };
    let possible: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|_| argument.get_action().takes_values())
        .filter(|it| !it.is_hide_set())
        .map(|it| format!("`{}`", it.get_name()))
        .collect();
    let mut meaning = sentence(&help);
    if !possible.is_empty() {
        let _ = write!(meaning, " One of {}.", possible.join(", "));
    }
    let _ = writeln!(
        text,
        "| {} | {} | {default} | {} |",
        name(argument),
        variable.unwrap_or_default(),
        cell(&meaning)
    );
}

/// How it is typed.
fn name(argument: &Arg) -> String {
    let value = match argument.get_value_names() {
        Some([value, ..]) if argument.get_action().takes_values() => format!(" {value}"),
        _ => String::new(),
    };
    match (argument.get_long(), argument.get_short()) {
        (Some(long), Some(short)) => format!("`--{long}{value}`, `-{short}`"),
        (Some(long), None) => format!("`--{long}{value}`"),
        (None, Some(short)) => format!("`-{short}{value}`"),
        (None, None) => format!("`{}`", argument.get_id().as_str().to_uppercase()),
    }
}

/// Clap's texts have no dot at the end.
fn sentence(text: &str) -> String {
    let text = text.trim();
    match text.chars().last() {
        None => String::new(),
        Some('.' | '!' | '?' | ':') => text.to_owned(),
        Some(_) => format!("{text}."),
    }
}
