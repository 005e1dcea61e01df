//! Commands that a documentation page names: `cargo xtask ...`, `fastersam ...`, packages and features of cargo's own.

use std::collections::BTreeSet;

use anyhow::Result;

use super::help::{Program, option_in};
use super::page::Page;
use super::tree::Finding;
use crate::program::PASSED_ON;
use crate::workspace::Package;

/// What commands are checked against.
pub struct Known<'a> {
    /// `cargo xtask`.
    pub xtask: clap::Command,
    /// The program, if it is to be asked.
    pub program: Option<Program<'a>>,
    /// The crates of the workspace.
    pub packages: &'a [Package],
}

/// Options in prose that are other tools'.
const OPTIONS_OF_OTHERS: [&str; 13] = [
    "--all-targets",
    "--check",
    "--config",
    "--exclude",
    "--example",
    "--features",
    "--locked",
    "--no-capture",
    "--package",
    "--release",
    "--tool",
    "--verify",
    "--workspace",
];

/// Checks a page. `file` is its path.
pub fn check(known: &mut Known, file: &str, page: &Page) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    let spans = page.spans.iter().map(|(line, span)| (*line, span.as_str()));
    let blocks = page.blocks.iter().filter(|block| matches!(block.language.as_str(), "" | "sh" | "bash" | "text"));
    let code =
        blocks.flat_map(|block| block.lines.iter().enumerate().map(|(at, code)| (block.line + at, code.as_str())));
    for (line, code) in spans.clone().chain(code) {
        for text in known.faults(code)? {
            found.push(Finding::new(file, line, text));
        }
    }
    for (line, span) in spans.filter(|(_, span)| span.starts_with("--")) {
        let option = option_in(span.split_whitespace().next().unwrap_or_default());
        if let Some(program) = &mut known.program
            && !program.all_options()?.contains(option)
            && !OPTIONS_OF_OTHERS.contains(&option)
            && !all_options(&known.xtask).contains(option)
        {
            found.push(Finding::new(
                file,
                line,
                format!("no command has the option `{option}`; name one that exists"),
            ));
        }
    }
    Ok(found)
}

impl Known<'_> {
    /// What is wrong with a line of code.
    fn faults(&mut self, code: &str) -> Result<Vec<String>> {
        let code = code.split_once(" #").map_or(code, |(code, _)| code);
        let mut faults = Vec::new();
        for command in code.split([';', '|', '&']) {
            let words: Vec<&str> = command.split_whitespace().skip_while(|word| is_assignment(word)).collect();
            match words.as_slice() {
                ["cargo", "xtask", rest @ ..] => faults.extend(self.xtask_fault(rest)?),
                ["cargo", rest @ ..] => {
                    let (own, program) =
                        rest.split_at(rest.iter().position(|word| *word == "--").unwrap_or(rest.len()));
                    faults.extend(self.cargo_faults(own));
                    if own.first() == Some(&"run") && own.contains(&"fastersam-cli") {
                        faults.extend(self.program_fault(program.get(1..).unwrap_or_default())?);
                    }
                }
                [program, rest @ ..] if program.rsplit('/').next() == Some("fastersam") => {
                    faults.extend(self.program_fault(rest)?);
                }
                _ => {}
            }
        }
        Ok(faults)
    }

    fn xtask_fault(&mut self, mut words: &[&str]) -> Result<Option<String>> {
        let mut command = &self.xtask;
        let mut path: Vec<&str> = Vec::new();
        while let Some((name, rest)) =
            words.split_first().filter(|(name, _)| command.has_subcommands() && is_name(name))
        {
            let Some(found) = command.find_subcommand(name) else {
                return Ok(Some(format!(
                    "`cargo xtask {}{name}` does not exist; name a command that does",
                    shown(&path)
                )));
            };
            (command, words) = (found, rest);
            path.push(name);
        }
        if let Some((_, of_program)) = PASSED_ON.iter().find(|(passed, _)| *passed == path.as_slice()) {
            // Options of our own are not passed on.
            let own = all_options(command);
            let passed: Vec<&str> = words.iter().copied().filter(|word| !own.contains(option_in(word))).collect();
            return self.program_fault(&[*of_program, passed.as_slice()].concat());
        }
        let has = all_options(command);
        let unknown = options(words).find(|option| !has.contains(*option));
        Ok(unknown.map(|option| {
            format!("`cargo xtask {}` has no option `{option}`; name one that exists", path.join(" "))
        }))
    }

    fn program_fault(&mut self, mut words: &[&str]) -> Result<Option<String>> {
        let Some(program) = &mut self.program else { return Ok(None) };
        let mut path: Vec<&str> = Vec::new();
        let mut help = program.help(&path)?;
        while let Some((name, rest)) =
            words.split_first().filter(|(name, _)| !help.commands.is_empty() && is_name(name))
        {
            if !help.commands.iter().any(|command| command == name) {
                return Ok(Some(format!(
                    "`fastersam {}{name}` does not exist; name a command that does",
                    shown(&path)
                )));
            }
            words = rest;
            path.push(name);
            help = program.help(&path)?;
        }
        let unknown = options(words).find(|option| !help.options.contains(*option));
        Ok(unknown.map(|option| {
            format!("`fastersam {}` has no option `{option}`; name one that exists", path.join(" "))
        }))
    }

    /// Packages, examples, programs and features that cargo is asked for.
    fn cargo_faults(&self, words: &[&str]) -> Vec<String> {
        let after = |names: &[&str]| -> Vec<&str> {
            let pairs = words.windows(2).filter(|pair| names.contains(&pair[0]));
            pairs.map(|pair| pair[1]).filter(|name| is_name(name)).collect()
        };
        let mut faults = Vec::new();
        for name in after(&["-p", "--package"]) {
            if !self.packages.iter().any(|package| package.name == name) {
                faults.push(format!("there is no crate `{name}`; name one that exists"));
            }
        }
        for (option, kind) in [("--example", "example"), ("--bin", "bin")] {
            for name in after(&[option]) {
                let is_it = |(of, target): &(String, String)| of == kind && target == name;
                if !self.packages.iter().any(|package| package.targets.iter().any(is_it)) {
                    faults.push(format!("there is no {kind} `{name}`; name one that exists"));
                }
            }
        }
        // Other workspaces have features of their own.
        let is_elsewhere = words.iter().any(|word| matches!(*word, "fuzz" | "--manifest-path"));
        for name in after(&["--features"]).into_iter().filter(|_| !is_elsewhere) {
            if !self.packages.iter().any(|package| package.features.iter().any(|feature| feature == name)) {
                faults.push(format!("there is no feature `{name}`; name one that exists"));
            }
        }
        faults
    }
}

/// The options of a command and of those below it.
fn all_options(command: &clap::Command) -> BTreeSet<String> {
    let own = command.get_arguments().flat_map(|argument| {
        let long = argument.get_long().map(|long| format!("--{long}"));
        let short = argument.get_short().map(|short| format!("-{short}"));
        long.into_iter().chain(short)
    });
    let help = ["--help", "-h"].map(str::to_owned);
    own.chain(command.get_subcommands().flat_map(all_options)).chain(help).collect()
}

/// The options among words, up to `--`.
fn options<'a>(words: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    let own = words.iter().take_while(|word| **word != "--").map(|word| word.trim_matches(['[', ']', '`']));
    let is_option = |word: &&str| {
        word.len() > 1 && word.starts_with('-') && !word[1..].starts_with(|c: char| c.is_ascii_digit())
    };
    own.filter(is_option).map(option_in)
}

/// Whether a word is a name and no option, path or placeholder.
fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
}

fn shown(path: &[&str]) -> String {
    path.iter().map(|name| format!("{name} ")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::{Arg, Command};

    use super::super::tree::lines;
    use super::*;

    const HELP: &str = "A program\n\nUsage: fastersam <COMMAND>\n\nCommands:\n  train  Train\n  data   Data sets\n  help   Help\n\n\
        Options:\n  -h, --help  Help\n";
    const TRAIN: &str =
        "Usage: fastersam train\n\nOptions:\n  -c, --config <FILE>  Of `--other`\n      --resume         Go on\n";
    const DATA: &str = "Usage: fastersam data <COMMAND>\n\nCommands:\n  check  Check it\n           --odd\n";

    fn found(page: &str, has_program: bool) -> Vec<String> {
        let xtask = Command::new("xtask")
            .subcommand(Command::new("test").arg(Arg::new("checked").long("checked")))
            .subcommand(Command::new("data"));
        let package = Package {
            name: "fastersam-cli".to_owned(),
            features: vec!["cuda".to_owned()],
            targets: vec![("example".to_owned(), "score".to_owned())],
            ..Package::default()
        };
        let program = Program::new(|path| {
            Ok(match path {
                [] => HELP,
                ["train"] => TRAIN,
                ["data"] => DATA,
                _ => "",
            }
            .to_owned())
        });
        let packages = [package];
        let mut known = Known { xtask, program: has_program.then_some(program), packages: &packages };
        lines(&check(&mut known, "a.md", &Page::read(page)).unwrap())
    }

    #[test]
    fn commands_that_exist_pass() {
        let page = "`cargo xtask test --checked`, `cargo xtask data check DIR`, `--resume`, `--locked`\n\n    \
            X=1 fastersam train -c FILE --resume --config=x   # cargo xtask none\n    \
            target/release/fastersam data check -h; cargo build --release -p fastersam-cli --features cuda\n    \
            cargo xtask test -- --anything && fastersam COMMAND --help\n    cargo run --example score\n    fastersam = 1\n";
        let found = found(page, true);
        // The help of `data check` is empty here.
        assert_eq!(found, ["a.md:4: `fastersam data check` has no option `-h`; name one that exists"]);
    }

    #[test]
    fn commands_that_do_not_exist_are_found() {
        let page = "`cargo xtask tests` `cargo xtask test --none` `cargo xtask data chekc` `--reusme`\n\n    \
            fastersam train --other\n    cargo run -p fastersam-cli -- trian\n    \
            cargo test -p fastersam-x --features tch --example sore\n";
        assert_eq!(
            found(page, true),
            [
                "a.md:1: `cargo xtask tests` does not exist; name a command that does",
                "a.md:1: `cargo xtask test` has no option `--none`; name one that exists",
                "a.md:1: `fastersam data chekc` does not exist; name a command that does",
                "a.md:3: `fastersam train` has no option `--other`; name one that exists",
                "a.md:4: `fastersam trian` does not exist; name a command that does",
                "a.md:5: there is no crate `fastersam-x`; name one that exists",
                "a.md:5: there is no example `sore`; name one that exists",
                "a.md:5: there is no feature `tch`; name one that exists",
                "a.md:1: no command has the option `--reusme`; name one that exists",
            ]
        );
    }

    #[test]
    fn without_the_program_its_commands_are_not_checked() {
        assert_eq!(found("`cargo xtask data chekc` `fastersam trian --x` `--reusme`", false), [""; 0]);
    }
}
