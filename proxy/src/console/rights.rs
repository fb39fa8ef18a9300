//! Commands about commands and permissions.

use mesegate_proto::admin::v1::FailureReason as Reason;

use super::ask::{Answer, Ask, Trouble, pick};
use super::paint;
use super::table::{COMMANDS, Command};
use crate::permissions::DEFAULT;

/// Lists what the caller may use, or explains one command.
pub(super) fn help(ask: &mut Ask) -> Answer {
    let word = ask.words.peek().unwrap_or("1");
    if word.parse::<usize>().is_err() {
        return usage(ask);
    }
    let page = ask.page()?;
    let mine = COMMANDS.iter().filter(|command| ask.may(command));
    let lines: Vec<String> =
        mine.map(|command| paint::pair(&command.usage(ask.prefix()), command.help)).collect();
    Ok(paint::page("What you may use", &lines, page, &format!("{}help", ask.prefix())))
}

/// Tells how a command is typed.
pub(super) fn usage(ask: &mut Ask) -> Answer {
    let Some(word) = ask.words.next() else { return help(ask) };
    ask.end()?;
    let word = word.strip_prefix(ask.prefix()).unwrap_or(&word);
    // What somebody may not use is not there for them.
    let command = Command::find(word).filter(|command| ask.may(command)).ok_or_else(|| {
        let word: String = word.chars().take(super::SHOWN).collect();
        Trouble::new("NO_SUCH_COMMAND", format!("there is no command {word}"))
    })?;
    let mut lines = vec![paint::pair(&command.usage(ask.prefix()), command.help)];
    if !command.aliases.is_empty() {
        lines.push(format!("Also: {}", command.aliases.join(", ")));
    }
    Ok(lines)
}

/// The groups of the caller or of a player.
pub(super) fn group(ask: &mut Ask) -> Answer {
    let (name, own) = whom(ask)?;
    let groups = ask.network.permissions.groups_of(&name).join(", ");
    let whose = if own { "Your groups".to_owned() } else { format!("Groups of {name}") };
    Ok(vec![paint::pair(&format!("{whose}:"), &groups)])
}

/// What the caller or a player may do.
pub(super) fn perms(ask: &mut Ask) -> Answer {
    let (name, own) = whom(ask)?;
    let rules = ask.network.permissions.rules_of(&name);
    let whose =
        if own { "Your permissions:".to_owned() } else { format!("Permissions of {name}:") };
    Ok(listed(&whose, &rules))
}

/// What a group may do, or which groups there are.
pub(super) fn gperms(ask: &mut Ask) -> Answer {
    let permissions = &ask.network.permissions;
    let Some(typed) = ask.words.next() else {
        let mut names: Vec<String> = permissions.group_names().map(str::to_owned).collect();
        names.sort();
        return Ok(listed("Groups:", &names));
    };
    ask.end()?;
    let name = pick(|| permissions.group_names(), &typed, "permission group")?;
    let group = permissions.group(name).ok_or_else(|| {
        Trouble::new(Reason::NoSuchTarget.name(), format!("there is no permission group {name}"))
    })?;
    let mut lines = listed(&format!("Permissions of {name}:"), &group.rules);
    if !group.inherits.is_empty() {
        let inherits: Vec<&str> = group.inherits.iter().map(|it| it.as_str()).collect();
        lines.push(paint::pair("It inherits from:", &inherits.join(", ")));
    }
    if name == DEFAULT {
        lines.push("Everybody is in it.".to_owned());
    }
    Ok(lines)
}

/// Whose permissions are asked for, and whether they are the caller's. Need not be in the game.
fn whom(ask: &mut Ask) -> Result<(String, bool), Trouble> {
    if ask.words.is_empty() {
        return Ok((ask.caller.name.clone(), true));
    }
    let name = ask.name()?;
    ask.end()?;
    Ok((name, false))
}

fn listed(head: &str, names: &[String]) -> Vec<String> {
    let lines = paint::lines(names.iter().map(String::as_str));
    if lines.is_empty() {
        return vec![paint::pair(head, "none")];
    }
    lines.iter().map(|line| paint::pair(head, line)).collect()
}
