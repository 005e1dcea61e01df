//! What the program's help texts say of its commands and options.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

/// The program's commands, by its own help texts.
pub struct Program<'a> {
    help: Box<HelpOf<'a>>,
    read: BTreeMap<Vec<String>, Help>,
}

/// Gives the help text of a command.
type HelpOf<'a> = dyn Fn(&[&str]) -> Result<String> + 'a;

/// What a help text says.
#[derive(Clone, Debug, Default)]
pub struct Help {
    /// Its commands.
    pub commands: Vec<String>,
    /// Its options, with their dashes.
    pub options: BTreeSet<String>,
}

impl<'a> Program<'a> {
    /// A program whose help texts are asked for when they are needed.
    pub fn new(help: impl Fn(&[&str]) -> Result<String> + 'a) -> Self {
        Self { help: Box::new(help), read: BTreeMap::new() }
    }

    /// The help of a command.
    pub fn help(&mut self, path: &[&str]) -> Result<Help> {
        let key: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        if let Some(help) = self.read.get(&key) {
            return Ok(help.clone());
        }
        let help = Help::read(&(self.help)(path)?);
        self.read.insert(key, help.clone());
        Ok(help)
    }

    /// The options of all commands.
    pub fn all_options(&mut self) -> Result<BTreeSet<String>> {
        let mut options = BTreeSet::new();
        let mut paths = vec![Vec::new()];
        while let Some(path) = paths.pop() {
            let help = self.help(&path.iter().map(String::as_str).collect::<Vec<_>>())?;
            options.extend(help.options);
            let inner = help.commands.into_iter().filter(|command| command != "help");
            paths.extend(inner.map(|command| [path.as_slice(), &[command]].concat()));
        }
        Ok(options)
    }
}

impl Help {
    /// Reads what clap prints: commands are indented by two spaces below `Commands:`, options start their lines.
    fn read(text: &str) -> Self {
        let mut help = Self::default();
        let mut is_list_of_commands = false;
        for line in text.lines() {
            if !line.starts_with(' ') {
                is_list_of_commands = line.trim() == "Commands:";
            } else if is_list_of_commands && line.starts_with("  ") && !line.starts_with("   ") {
                help.commands.extend(line.split_whitespace().next().map(str::to_owned));
            } else if line.trim_start().starts_with('-') {
                let words = line.split([' ', ',']).filter(|word| !word.is_empty());
                help.options
                    .extend(words.take_while(|word| word.starts_with('-')).map(|word| option_in(word).to_owned()));
            }
        }
        help
    }
}

/// `--option` of `--option=value`.
pub fn option_in(word: &str) -> &str {
    let end = word.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(word.len());
    &word[..end]
}
