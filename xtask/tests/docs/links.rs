//! Links between pages lead to files and headings that are there.

use std::collections::BTreeSet;
use std::path::Path;

use xtask::paths;

use crate::blocks;

/// The text without its fenced blocks.
pub(crate) fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// What a heading is called in links: small letters, without signs, blanks become dashes.
fn anchors(text: &str) -> BTreeSet<String> {
    let text = prose(text);
    let headings = text.lines().filter(|it| it.starts_with('#'));
    let name = |line: &str| -> String {
        let words = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        words.chars().filter(|it| it.is_alphanumeric() || "-_".contains(*it)).collect()
    };
    headings.map(name).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for page in blocks::pages() {
        let path = paths::workspace().join(&page);
        let text = std::fs::read_to_string(&path).unwrap();
        let prose = prose(&text);
        let links = prose.split("](").skip(1).filter_map(|it| it.split(')').next());
        for link in links.filter(|it| !it.contains("://")) {
            count += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let file = match file {
                "" => path.clone(),
                file => path.parent().unwrap_or(Path::new("")).join(file),
            };
            let there = match (file.exists(), anchor) {
                (there, "") => there,
                (false, _) => false,
                (true, anchor) => {
                    anchors(&std::fs::read_to_string(&file).unwrap()).contains(anchor)
                }
            };
            if !there {
                wrong.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 100, "only {count} links");
}

#[test]
fn headings_are_called_as_in_links() {
    let names = anchors("# A b, c\n```\n# no\n```\n## `d-e` F_g?\n");
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a-b-c", "d-e-f_g"]);
}
