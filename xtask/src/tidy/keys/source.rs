//! Reads the types of a source file that derive `Deserialize`.

use super::super::rust::{Kind, Token, after_group, starts_with, tokens, without_tests};
use super::notes::{Notes, after_visibility, notes, snake_case, split};
use super::shape::{Field, Holds, Shape, Type, Variant};

/// The types in a file.
pub fn types(text: &str, file: &str) -> Vec<Type> {
    let tokens = without_tests(&tokens(text));
    let tokens = tokens.as_slice();
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let (notes, start) = notes(tokens, at);
        let start = after_visibility(tokens, start);
        let is_struct = tokens.get(start).is_some_and(|token| token.is("struct"));
        let is_enum = tokens.get(start).is_some_and(|token| token.is("enum"));
        let open =
            (start..tokens.len()).find(|&at| tokens[at].is("{") || tokens[at].is(";") || tokens[at].is("("));
        let Some(open) = open.filter(|_| is_struct || is_enum) else {
            at = start.max(at + 1);
            continue;
        };
        at = after_group(tokens, open);
        if !notes.derives.iter().any(|name| name == "Deserialize") || !tokens[open].is("{") {
            continue;
        }
        let name = tokens[start + 1].text.clone();
        let body = &tokens[open + 1..at - 1];
        let source = Source { tokens, of: &name };
        let shape = if is_struct {
            Shape::Struct(source.fields(body, &notes))
        } else {
            Shape::Enum {
                tag: notes.serde.get("tag").cloned().flatten(),
                untagged: notes.serde.contains_key("untagged"),
                variants: source.variants(body, &notes),
            }
        };
        let read_as = ["try_from", "from"].iter().find_map(|key| notes.serde.get(*key).cloned().flatten());
        found.push(Type { name, file: file.to_owned(), shape, read_as });
    }
    found
}

/// The file around a type: its defaults are looked for there.
struct Source<'a> {
    tokens: &'a [Token],
    of: &'a str,
}

impl Source<'_> {
    fn fields(&self, body: &[Token], container: &Notes) -> Vec<Field> {
        let mut fields = Vec::new();
        for part in split(body) {
            let (notes, at) = notes(part, 0);
            let at = after_visibility(part, at);
            let Some(name) = part.get(at).filter(|name| name.kind == Kind::Ident) else { continue };
            if ["skip", "skip_deserializing"].iter().any(|skip| notes.serde.contains_key(*skip)) {
                continue;
            }
            let ty: String = part[(at + 2).min(part.len())..].iter().map(|token| token.text.as_str()).collect();
            fields.push(Field {
                key: notes.name(&name.text, container.serde.get("rename_all")),
                default: self.default(&name.text, &ty, &notes, container),
                doc: notes.doc(),
                ty,
            });
        }
        fields
    }

    fn variants(&self, body: &[Token], container: &Notes) -> Vec<Variant> {
        let mut variants = Vec::new();
        for part in split(body) {
            let (notes, at) = notes(part, 0);
            let Some(name) = part.get(at).filter(|name| name.kind == Kind::Ident) else { continue };
            let inner = Notes { serde: container.serde.clone(), ..Notes::default() };
            let fields_of = |notes: &Notes| {
                // `rename_all` of the enum names its variants; their fields have `rename_all_fields`.
                let mut inner = Notes { serde: inner.serde.clone(), ..Notes::default() };
                inner.serde.remove("default");
                match notes.serde.get("rename_all").or(inner.serde.get("rename_all_fields")).cloned() {
                    Some(rule) => inner.serde.insert("rename_all".to_owned(), rule),
                    None => inner.serde.remove("rename_all"),
                };
                inner
            };
            let holds = match part.get(at + 1) {
                Some(open) if open.is("{") => {
                    Holds::Keys(self.fields(&part[at + 2..part.len() - 1], &fields_of(&notes)))
                }
                Some(open) if open.is("(") => {
                    Holds::Value(part[at + 2..part.len() - 1].iter().map(|token| token.text.as_str()).collect())
                }
                _ => Holds::Nothing,
            };
            variants.push(Variant {
                name: notes.name(&name.text, container.serde.get("rename_all")),
                doc: notes.doc(),
                holds,
                is_default: notes.is_default,
            });
        }
        variants
    }

    /// What stands for a field that is left out.
    fn default(&self, name: &str, ty: &str, notes: &Notes, container: &Notes) -> Option<String> {
        match notes.serde.get("default") {
            Some(Some(function)) => {
                let function = function.rsplit("::").next().unwrap_or_default();
                let at =
                    (0..self.tokens.len()).find(|&at| starts_with(&self.tokens[at..], &["fn", function, "("]))?;
                let open = (at..self.tokens.len()).find(|&at| self.tokens[at].is("{"))?;
                let end = after_group(self.tokens, open);
                return Some(value(&self.tokens[open + 1..end - 1]));
            }
            Some(None) => return Some(default_of(ty)),
            None => {}
        }
        if container.serde.contains_key("default") {
            return Some(self.field_of_default(name).unwrap_or_else(|| default_of(ty)));
        }
        ty.starts_with("Option<").then(|| "none".to_owned())
    }

    /// The value of a field in `impl Default`.
    fn field_of_default(&self, name: &str) -> Option<String> {
        let tokens = self.tokens;
        let at = (0..tokens.len()).find(|&at| starts_with(&tokens[at..], &["impl", "Default", "for", self.of]))?;
        // Not the `Self` of `-> Self {`.
        let is_literal = |at: &usize| starts_with(&tokens[*at..], &["Self", "{"]) && !tokens[at - 1].is(">");
        let open = (at + 1..tokens.len()).find(is_literal)? + 1;
        let literal = &tokens[open + 1..after_group(tokens, open) - 1];
        let part = split(literal).into_iter().find(|part| part.first().is_some_and(|token| token.is(name)))?;
        Some(value(part.get(2..)?))
    }
}

/// What serde takes for a type that says `#[serde(default)]`. Choices and tables are named by the caller.
fn default_of(ty: &str) -> String {
    match ty {
        "bool" => "false".to_owned(),
        "f32" | "f64" => "0.0".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64" => "0".to_owned(),
        "String" | "PathBuf" => "\"\"".to_owned(),
        _ if ty.starts_with("Option<") => "none".to_owned(),
        _ if ty.starts_with("Vec<") => "[]".to_owned(),
        _ if ty.starts_with("BTreeMap<") => "none".to_owned(),
        // Left to the type's own default.
        _ => String::new(),
    }
}

/// An expression as TOML would have it, as far as it is simple.
fn value(tokens: &[Token]) -> String {
    let text = |token: &Token| match token.kind {
        Kind::Literal => format!("\"{}\"", token.text),
        _ => token.text.clone(),
    };
    let literals: Vec<&Token> = tokens.iter().filter(|token| token.kind == Kind::Literal).collect();
    match tokens {
        [only] if only.is("None") => "none".to_owned(),
        [only] => text(only),
        [some, open, inner @ .., _] if some.is("Some") && open.is("(") => value(inner),
        [vec, bang, open, inner @ .., _] if vec.is("vec") && bang.is("!") && open.is("[") => {
            let parts: Vec<String> = split(inner).into_iter().map(value).collect();
            format!("[{}]", parts.join(", "))
        }
        [ty, .., last] if ty.kind == Kind::Ident && last.kind == Kind::Ident && last.text != "new" => {
            format!("\"{}\"", snake_case(&last.text))
        }
        [ty, .., open, close] if ty.is("Vec") && open.is("(") && close.is(")") => "[]".to_owned(),
        // Left to the type's own default.
        [.., name, open, close] if name.is("default") && open.is("(") && close.is(")") => String::new(),
        _ if literals.len() == 1 => text(literals[0]),
        _ => tokens.iter().map(text).collect(),
    }
}
