//! What the classes of a label map are called.

use fastersam_metrics::MAX_CLASSES;
use serde::{Deserialize, Serialize};

/// Names of the classes, background first: the class `c` is called `names[c]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelTable {
    /// The names.
    pub names: Vec<String>,
}

impl LabelTable {
    /// A table of `background` and the given classes.
    #[must_use]
    pub fn new(classes: &[&str]) -> Self {
        let names = std::iter::once("background").chain(classes.iter().copied());
        Self { names: names.map(str::to_owned).collect() }
    }

    /// Number of classes with background.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.names.len()
    }

    /// The class of a name, background aside; `None` where no class from 1 to 255 is called so.
    #[must_use]
    pub fn class(&self, name: &str) -> Option<u8> {
        (1..=u8::MAX).find(|&class| self.names.get(usize::from(class)).is_some_and(|known| known == name))
    }

    /// What makes the table useless: no class beside background, or more than a label map's bytes can tell apart.
    ///
    /// # Errors
    /// The reason, in words.
    pub fn validate(&self) -> Result<(), String> {
        match self.n_classes() {
            2..=MAX_CLASSES => Ok(()),
            n => Err(format!("it names {n} classes with background; 2 to {MAX_CLASSES} are possible")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_classes_are_told_apart_and_one_more_is_refused() {
        let names: Vec<String> = (1..=256).map(|class| format!("class {class}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let most = LabelTable::new(&names[..255]);
        assert_eq!((most.n_classes(), most.class("class 255")), (256, Some(255)));
        assert_eq!(most.validate(), Ok(()));
        let more = LabelTable::new(&names);
        assert!(more.validate().is_err_and(|reason| reason.contains("257")));
        assert_eq!(more.class("class 256"), None);
        assert!(LabelTable::new(&[]).validate().is_err());
        assert_eq!(LabelTable::new(&["background"]).class("background"), Some(1));
    }
}
