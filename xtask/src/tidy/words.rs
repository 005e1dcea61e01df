//! What must not stand in the repository: notes to oneself, paths of one machine, tests that do not run.

use super::rust::{Kind, Token, starts_with, tokens};
use super::tree::{Finding, Tree};

/// This file names what it looks for.
const SELF: &str = "xtask/src/tidy/words.rs";
/// What others wrote.
const THEIRS: [&str; 2] = ["vendor/", "crates/report/assets/niivue.umd.js"];

/// Words, and what to do about them.
const WORDS: [(&str, &str); 8] = [
    ("TODO", "do it or leave it"),
    ("FIXME", "mend it"),
    ("XXX", "say what is meant"),
    ("dbg!", "remove it"),
    ("/home/", "name no path of one machine"),
    ("/Users/", "name no path of one machine"),
    ("from the plan", "speak of the software"),
    ("set out to", "speak of the software"),
];

/// Attributes of tests that do not run or can't tell one failure from another.
const ATTRIBUTES: [(&str, &str); 2] = [
    ("ignore", "let the test run, or report it with `fastersam_golden::skip`"),
    ("should_panic", "assert what the error says"),
];

/// Checks every text file.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, text) in tree
        .texts("", "")
        .filter(|(file, _)| *file != SELF && !THEIRS.iter().any(|theirs| file.starts_with(theirs)))
    {
        for (at, line) in text.lines().enumerate() {
            for (word, what) in WORDS.iter().filter(|(word, _)| has_word(line, word)) {
                found.push(Finding::new(file, at + 1, format!("it says `{word}`; {what}")));
            }
        }
        if file.ends_with(".rs") {
            found.extend(attributes(file, &tokens(text)));
        }
    }
    found
}

/// Whether a line holds a word that no letter or digit touches.
fn has_word(line: &str, word: &str) -> bool {
    let is_letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (line[..at].chars().next_back(), line[at + word.len()..].chars().next());
        // Where the word itself has no letter at its end, anything may touch it there.
        let starts = word.chars().next().is_some_and(char::is_alphanumeric);
        let ends = word.chars().next_back().is_some_and(char::is_alphanumeric);
        !(starts && is_letter(before) || ends && is_letter(after))
    })
}

fn attributes(file: &str, tokens: &[Token]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.kind == Kind::Punct) {
        for (name, what) in ATTRIBUTES {
            if starts_with(&tokens[at..], &["#", "[", name]) {
                found.push(Finding::new(file, token.line, format!("it has `#[{name}]`; {what}")));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tree::lines;
    use super::*;

    #[test]
    fn words_are_found_as_words() {
        let tree = Tree::of(&[
            ("a.rs", "// TODO: more\nlet patientXXXX = TODOS;\ndbg!(x);"),
            ("b.md", "It lies in /home/ada, set out to sea.\nAt home/day, and from the planet."),
            ("vendor/c.md", "TODO"),
        ]);
        assert_eq!(
            lines(&check(&tree)),
            [
                "a.rs:1: it says `TODO`; do it or leave it",
                "a.rs:3: it says `dbg!`; remove it",
                "b.md:1: it says `/home/`; name no path of one machine",
                "b.md:1: it says `set out to`; speak of the software",
            ]
        );
    }

    #[test]
    fn tests_that_do_not_run_are_found() {
        let source =
            "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n#[should_panic(expected = \"x\")]\nfn b() {}\n// #[ignore]";
        let found = lines(&check(&Tree::of(&[("a.rs", source)])));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("a.rs:2: it has `#[ignore]`"), "{found:?}");
        assert!(found[1].starts_with("a.rs:4: it has `#[should_panic]`"), "{found:?}");
    }
}
