//! What a file of a crate imports from its other files, read off the text.
//!
//! Paths that begin with `crate`, `super`, `self` or a name that the file knows count for the file that defines what
//! they name: re-exports are followed, and are no imports themselves. `mod x;` is none either.

use std::collections::{BTreeMap, BTreeSet};

use super::rust::{Kind, Token, after_group, tokens, without_tests};
use super::tree::Tree;

/// A file of a crate as a module.
#[derive(Debug, Default)]
struct Module {
    file: String,
    /// Its place in the crate: `["suite", "timing"]`.
    path: Vec<String>,
    /// Names that are defined here.
    items: BTreeSet<String>,
    /// What `use` brings in.
    uses: Vec<Use>,
    /// Other paths.
    paths: Vec<Reference>,
}

/// One name that a `use` brings in.
#[derive(Debug)]
struct Use {
    path: Reference,
    /// The name here; `*` for all.
    name: String,
    is_public: bool,
}

/// A path and where it is.
#[derive(Clone, Debug)]
struct Reference {
    segments: Vec<String>,
    /// How many modules inside the file are around it.
    depth: usize,
    line: usize,
}

/// Imports of one file: the other file, and the line of the first import.
pub type Imports = BTreeMap<usize, usize>;

/// The files of a crate, and what each imports from the others.
pub fn graph(tree: &Tree, folder: &str) -> (Vec<String>, Vec<Imports>) {
    let src = format!("{folder}/src/");
    let root = if tree.has(&format!("{src}lib.rs")) { "lib.rs" } else { "main.rs" };
    let modules: Vec<Module> = tree
        .texts(&src, ".rs")
        .filter_map(|(file, text)| {
            let path = module_path(file.strip_prefix(&src)?, root)?;
            Some(Module { file: file.to_owned(), path, ..read(text) })
        })
        .collect();
    let graph = (0..modules.len()).map(|from| imports(&modules, from)).collect();
    (modules.into_iter().map(|module| module.file).collect(), graph)
}

/// The place of a file in its crate; none for programs beside the library.
fn module_path(file: &str, root: &str) -> Option<Vec<String>> {
    if file == root {
        return Some(Vec::new());
    }
    if file == "main.rs" || file.starts_with("bin/") {
        return None;
    }
    let path = file.strip_suffix(".rs")?;
    let path = path.strip_suffix("/mod").unwrap_or(path);
    Some(path.split('/').map(str::to_owned).collect())
}

/// Reads the items, uses and paths of a file.
fn read(text: &str) -> Module {
    let tokens = without_tests(&tokens(text));
    let mut module = Module::default();
    // Ends of the modules inside the file that the token is in.
    let mut inside: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        inside.retain(|&end| at < end);
        let token = &tokens[at];
        let next = tokens.get(at + 1);
        let before = at.checked_sub(1).map(|before| &tokens[before]);
        if token.is("mod")
            && next.is_some_and(|next| next.kind == Kind::Ident)
            && tokens.get(at + 2).is_some_and(|t| t.is("{"))
        {
            inside.push(after_group(&tokens, at + 2));
            module.items.insert(tokens[at + 1].text.clone());
            at += 3;
        } else if token.is("use") && !before.is_some_and(|before| before.is("+") || before.is(",")) {
            let is_public = before.is_some_and(|before| before.is("pub") || before.is(")"));
            at = use_tree(
                &tokens,
                at + 1,
                &Reference { segments: Vec::new(), depth: inside.len(), line: token.line },
                &mut |path, name| {
                    module.uses.push(Use { path, name, is_public });
                },
            );
        } else if is_definition(token) && next.is_some_and(|next| next.kind == Kind::Ident) {
            module.items.insert(tokens[at + 1].text.clone());
            at += 2;
        } else if token.is("macro_rules") {
            module.items.insert(tokens.get(at + 2).map(|name| name.text.clone()).unwrap_or_default());
            at += 3;
        } else if token.kind == Kind::Ident
            && is_path_separator(&tokens, at + 1)
            && !before.is_some_and(|b| b.is(":") || b.is("."))
        {
            let (segments, end) = segments(&tokens, at);
            module.paths.push(Reference { segments, depth: inside.len(), line: token.line });
            at = end;
        } else {
            at += 1;
        }
    }
    module
}

fn is_definition(token: &Token) -> bool {
    ["fn", "struct", "enum", "union", "trait", "type", "const", "static"].iter().any(|word| token.is(word))
}

fn is_path_separator(tokens: &[Token], at: usize) -> bool {
    tokens.get(at).is_some_and(|t| t.is(":")) && tokens.get(at + 1).is_some_and(|t| t.is(":"))
}

fn segments(tokens: &[Token], mut at: usize) -> (Vec<String>, usize) {
    let mut segments = vec![tokens[at].text.clone()];
    at += 1;
    while is_path_separator(tokens, at) && tokens.get(at + 2).is_some_and(|t| t.kind == Kind::Ident) {
        segments.push(tokens[at + 2].text.clone());
        at += 3;
    }
    (segments, at)
}

/// Reads `a::{b, c as d, e::*}` and calls `found` with every path and its name; gives the index after it.
fn use_tree(
    tokens: &[Token],
    mut at: usize,
    prefix: &Reference,
    found: &mut impl FnMut(Reference, String),
) -> usize {
    let mut path = prefix.clone();
    while let Some(token) = tokens.get(at) {
        if token.is("{") {
            let end = after_group(tokens, at);
            at += 1;
            while at < end - 1 {
                at = use_tree(tokens, at, &path, found);
                at += usize::from(tokens.get(at).is_some_and(|t| t.is(",")));
            }
            return end;
        }
        if token.is("*") {
            found(path, "*".to_owned());
            return at + 1;
        }
        if token.kind != Kind::Ident {
            // A path may begin with `::`; anything else ends it.
            if !is_path_separator(tokens, at) {
                return at + 1;
            }
            at += 2;
            continue;
        }
        // `self` in braces stands for the module around them.
        if !token.is("self") || path.segments.is_empty() {
            path.segments.push(token.text.clone());
        }
        path.line = token.line;
        at += 1;
        if is_path_separator(tokens, at) {
            at += 2;
            continue;
        }
        let mut name = path.segments.last().cloned().unwrap_or_default();
        if tokens.get(at).is_some_and(|t| t.is("as")) {
            name = tokens.get(at + 1).map(|t| t.text.clone()).unwrap_or_default();
            at += 2;
        }
        found(path, name);
        return at;
    }
    at
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// Something that this file defines.
    Item(usize),
    /// The module itself.
    Module(usize),
}

/// The files that a file imports from.
fn imports(modules: &[Module], from: usize) -> Imports {
    let mut found = Imports::new();
    let module = &modules[from];
    // An import of a module counts where something of the module is used.
    let used = module.uses.iter().filter(|used| !used.is_public).map(|used| (&used.path, used.name == "*"));
    for (path, is_glob) in used.chain(module.paths.iter().map(|path| (path, false))) {
        let to = match resolve(modules, from, &path.segments, path.depth, 0) {
            Some(Target::Item(to)) => to,
            Some(Target::Module(to)) if is_glob => to,
            _ => continue,
        };
        if to != from {
            found.entry(to).or_insert(path.line);
        }
    }
    found
}

/// What the path leads to, seen from a module; none where it leads out of the crate.
fn resolve(modules: &[Module], from: usize, path: &[String], depth: usize, calls: usize) -> Option<Target> {
    // Uses may lead in circles.
    if calls > 20 {
        return None;
    }
    let module = |path: &[String]| modules.iter().position(|module| module.path == path);
    let (first, mut rest) = path.split_first()?;
    let mut at = match first.as_str() {
        "crate" => module(&[])?,
        "self" => from,
        "super" => {
            let mut here = from;
            let mut inside = depth;
            rest = path;
            while let Some((_, after)) = rest.split_first().filter(|(first, _)| *first == "super") {
                rest = after;
                if inside > 0 {
                    inside -= 1;
                } else {
                    here = module(modules[here].path.split_last()?.1)?;
                }
            }
            here
        }
        _ => {
            rest = path;
            from
        }
    };
    // A path that starts with a plain name is the crate's only if the file knows the name.
    let mut is_known = !std::ptr::eq(rest, path);
    while let Some((name, after)) = rest.split_first() {
        let mut child = modules[at].path.clone();
        child.push(name.clone());
        if let Some(child) = module(&child) {
            at = child;
        } else if modules[at].items.contains(name) {
            return Some(Target::Item(at));
        } else if let Some(used) = modules[at].uses.iter().find(|used| used.name == *name) {
            let longer = [used.path.segments.as_slice(), after].concat();
            return resolve(modules, at, &longer, used.path.depth, calls + 1);
        } else {
            let all = modules[at].uses.iter().filter(|used| used.name == "*");
            let found = all.filter_map(|used| {
                let Target::Module(of) = resolve(modules, at, &used.path.segments, used.path.depth, calls + 1)?
                else {
                    return None;
                };
                let defines =
                    modules[of].items.contains(name) || modules[of].uses.iter().any(|used| used.name == *name);
                if defines { resolve(modules, of, rest, 0, calls + 1) } else { None }
            });
            // What a macro defines is not seen: it counts for the module.
            return found.into_iter().next().or(is_known.then_some(Target::Item(at)));
        }
        is_known = true;
        rest = after;
    }
    Some(Target::Module(at))
}
