//! Finding fenced and indented blocks in the pages of the manual.

use std::path::Path;

use xtask::paths;

/// What commands begin with.
const PROGRAMS: [&str; 11] = [
    "cargo",
    "cp",
    "curl",
    "echo",
    "grpcurl",
    "helm",
    "kubectl",
    "mesegate-controller",
    "mesegate-proxy",
    "mesegatectl",
    "target/release/mesegate-proxy",
];

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Commands,
    Yaml,
    Other,
}

/// A block of a page.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// The page's path in the workspace.
    pub(crate) page: String,
    /// Of its first line of text, from 1.
    pub(crate) line: usize,
    pub(crate) kind: Kind,
    /// Without the fence and the indentation that all lines have.
    pub(crate) text: String,
}

/// One command of a block.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) line: usize,
    pub(crate) text: String,
}

impl Block {
    /// For messages.
    pub(crate) fn at(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }

    /// Its commands; lines that end with a backslash go on, and comments are left away.
    pub(crate) fn commands(&self) -> Vec<Command> {
        let mut commands: Vec<Command> = Vec::new();
        let mut open = false;
        for (number, line) in self.text.lines().enumerate() {
            let line = line.split("  #").next().unwrap_or(line).trim_end();
            let (line, more) = match line.strip_suffix('\\') {
                Some(line) => (line.trim_end(), true),
                None => (line, false),
            };
            match commands.last_mut() {
                Some(last) if open => last.text = format!("{} {}", last.text, line.trim()),
                _ if line.trim().is_empty() || line.starts_with('#') => continue,
                _ => {
                    commands.push(Command { line: self.line + number, text: line.trim().into() });
                }
            }
            open = more;
        }
        commands
    }
}

/// The paths of all pages in the workspace.
pub(crate) fn pages() -> Vec<String> {
    let mut pages: Vec<String> =
        ["README.md", "CONTRIBUTING.md", "charts/mesegate/README.md"].map(str::to_owned).into();
    below(&paths::workspace().join("doc"), &mut pages);
    pages[3..].sort();
    pages
}

fn below(folder: &Path, pages: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(&path, pages);
        } else if path.extension().is_some_and(|it| it == "md") {
            let inside = path.strip_prefix(paths::workspace()).unwrap();
            pages.push(inside.to_str().unwrap().to_owned());
        }
    }
}

/// The blocks of a page.
pub(crate) fn of(page: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(paths::workspace().join(page)).unwrap();
    parse(page, &text)
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// The blocks of a page with this text.
pub(crate) fn parse(page: &str, text: &str) -> Vec<Block> {
    let lines: Vec<&str> = text.lines().collect();
    let mut blocks = Vec::new();
    let mut at = 0;
    let mut after_blank = true;
    while at < lines.len() {
        let line = lines[at];
        let start = at + 1;
        if let Some(language) = line.trim_start().strip_prefix("```") {
            let end = lines[start..].iter().position(|it| it.trim() == "```");
            let end = start + end.unwrap_or_else(|| panic!("{page}:{start}: no end of the block"));
            blocks.push(block(page, start + 1, Some(language.trim()), &lines[start..end]));
            at = end + 1;
        } else if after_blank && indentation(line) >= 4 && !line.trim().is_empty() {
            let inside = |it: &&str| indentation(it) >= 4 && !it.trim().is_empty();
            let length = lines[at..].iter().take_while(|it| inside(it)).count();
            blocks.push(block(page, start, None, &lines[at..at + length]));
            at += length;
        } else {
            after_blank = line.trim().is_empty();
            at += 1;
            continue;
        }
        after_blank = false;
    }
    blocks
}

fn block(page: &str, line: usize, language: Option<&str>, lines: &[&str]) -> Block {
    let filled = lines.iter().filter(|it| !it.trim().is_empty());
    let margin = filled.map(|it| indentation(it)).min().unwrap_or(0);
    let lines: Vec<&str> = lines.iter().map(|it| it.get(margin..).unwrap_or("")).collect();
    let mut block =
        Block { page: page.into(), line, kind: Kind::Commands, text: lines.join("\n") + "\n" };
    let command = |it: &Command| {
        let program = it.text.split(' ').next().unwrap_or_default();
        PROGRAMS.contains(&program)
    };
    block.kind = match language {
        Some("sh") => Kind::Commands,
        Some("yaml") => Kind::Yaml,
        None if block.commands().iter().all(command) => Kind::Commands,
        _ => Kind::Other,
    };
    block
}

#[test]
fn blocks_are_found_in_fences_and_by_indentation() {
    let text = "a\n\n    helm lint \\\n      .   # why\n    # c\n    kubectl get x\n\n1. b\n\n   ```yaml\n   \
                a: 1\n     b: 2\n   ```\n\n```\nkubectl\n```\n\n    a = 1\n  x\n    no\n```sh\nls\n```\n";
    let found = parse("p", text);
    let kinds: Vec<Kind> = found.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [Kind::Commands, Kind::Yaml, Kind::Other, Kind::Other, Kind::Commands]);
    let commands = found[0].commands();
    assert_eq!(commands.len(), 2);
    assert_eq!((commands[0].line, commands[0].text.as_str()), (3, "helm lint ."));
    assert_eq!((commands[1].line, commands[1].text.as_str()), (6, "kubectl get x"));
    assert_eq!(found[1].text, "a: 1\n  b: 2\n");
    assert_eq!(found[4].line, 23);
}
