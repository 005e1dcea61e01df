//! What a part of a configuration file looks like: the type that it is read into.

/// A type that a part of a file is read into.
#[derive(Debug)]
pub struct Type {
    /// Its name.
    pub name: String,
    /// The file that defines it.
    pub file: String,
    /// What it looks like.
    pub shape: Shape,
    /// The type that it is read as before it is converted, if it is.
    pub read_as: Option<String>,
}

/// What a type looks like in a file.
#[derive(Debug)]
pub enum Shape {
    /// A table with these keys.
    Struct(Vec<Field>),
    /// One of several forms.
    Enum {
        /// The key that names the form, if one does.
        tag: Option<String>,
        /// Whether the form shows in its keys only.
        untagged: bool,
        /// The forms.
        variants: Vec<Variant>,
    },
}

/// One key.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name in the file.
    pub key: String,
    /// The Rust type, without spaces.
    pub ty: String,
    /// What stands for it where it is left out; none if it must be there.
    pub default: Option<String>,
    /// Its documentation, in one line.
    pub doc: String,
}

/// One form of an enum.
#[derive(Debug)]
pub struct Variant {
    /// Its name in the file.
    pub name: String,
    /// Its documentation, in one line.
    pub doc: String,
    /// What it holds.
    pub holds: Holds,
    /// Whether it is the type's default.
    pub is_default: bool,
}

/// What a form of an enum holds.
#[derive(Debug)]
pub enum Holds {
    /// Nothing.
    Nothing,
    /// One value of this type.
    Value(String),
    /// Keys.
    Keys(Vec<Field>),
}

impl Type {
    /// Whether the type is a choice among words.
    pub fn is_choice(&self) -> bool {
        matches!(&self.shape, Shape::Enum { tag: None, variants, .. }
            if variants.iter().all(|variant| matches!(variant.holds, Holds::Nothing)))
    }

    /// All fields, of all forms.
    pub fn fields(&self) -> Vec<&Field> {
        match &self.shape {
            Shape::Struct(fields) => fields.iter().collect(),
            Shape::Enum { variants, .. } => variants
                .iter()
                .flat_map(|variant| match &variant.holds {
                    Holds::Keys(fields) => fields.iter().collect(),
                    _ => Vec::new(),
                })
                .collect(),
        }
    }
}

/// The names in a type: `Vec` and `Tuning` of `Vec<Tuning>`.
pub fn names_in(ty: &str) -> impl Iterator<Item = &str> {
    ty.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty())
}

/// What is between the angle brackets of `Outer<..>`.
pub fn inside<'a>(ty: &'a str, outer: &str) -> Option<&'a str> {
    ty.strip_prefix(outer)?.strip_prefix('<')?.strip_suffix('>')
}
