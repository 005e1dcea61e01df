//! What the classes of a label map are called, which values they have in its file, and their colors.

use std::fmt::Write as _;

use fastersam_metrics::MAX_CLASSES;
use serde::{Deserialize, Serialize};

/// Names of the classes, background first: the class `c` is called `names[c]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelTable {
    /// The names.
    pub names: Vec<String>,
    /// The values of the classes in the label maps of the data set, background (0) first; empty where these are the classes
    /// themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<u16>,
}

impl LabelTable {
    /// A table of `background` and the given classes.
    #[must_use]
    pub fn new(classes: &[&str]) -> Self {
        let names = std::iter::once("background").chain(classes.iter().copied());
        Self { names: names.map(str::to_owned).collect(), codes: Vec::new() }
    }

    /// The same with the values that the classes (background aside) have in label maps.
    #[must_use]
    pub fn with_codes(self, codes: impl IntoIterator<Item = u16>) -> Self {
        let codes: Vec<u16> = std::iter::once(0).chain(codes).collect();
        let are_classes = codes.iter().enumerate().all(|(class, &code)| class == usize::from(code));
        Self { codes: if are_classes { Vec::new() } else { codes }, ..self }
    }

    /// The value of a class in label maps.
    #[must_use]
    pub fn code(&self, class: u8) -> u16 {
        self.codes.get(usize::from(class)).copied().unwrap_or_else(|| class.into())
    }

    /// Value and name of each class, background first.
    pub fn entries(&self) -> impl Iterator<Item = (u16, &str)> {
        (0..=u8::MAX).zip(&self.names).map(|(class, name)| (self.code(class), name.as_str()))
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

    /// What makes the table useless: no class beside background, more than a label map's bytes can tell apart, or values that
    /// are not one for each class.
    ///
    /// # Errors
    /// The reason, in words.
    pub fn validate(&self) -> Result<(), String> {
        let n = self.n_classes();
        if !(2..=MAX_CLASSES).contains(&n) {
            return Err(format!("it names {n} classes with background; 2 to {MAX_CLASSES} are possible"));
        }
        let codes = &self.codes;
        if !codes.is_empty() && (codes.len() != n || codes[0] != 0) {
            return Err(format!("its codes are {codes:?}; 0 and one for each of {} classes are needed", n - 1));
        }
        match codes.iter().enumerate().find(|(at, code)| codes[..*at].contains(code)) {
            Some((_, code)) => Err(format!("the code {code} stands for two classes")),
            None => Ok(()),
        }
    }

    /// The table as Connectome Workbench puts it into a NIfTI file, and TotalSegmentator and its readers after it.
    #[must_use]
    pub fn to_caret_xml(&self) -> String {
        let mut xml = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><CaretExtension><VolumeInformation Index=\"0\"><LabelTable>",
        );
        for (class, (code, name)) in self.entries().enumerate().skip(1) {
            let [red, green, blue] = label_color(class).map(|byte| f64::from(byte) / 255.0);
            // What XML can't hold, and the end of what is written as it is.
            let name: String = name.chars().filter(|c| !c.is_control()).collect();
            let name = name.replace("]]>", "]] >");
            // Writing to a string can't fail.
            let _ = write!(
                xml,
                "<Label Key=\"{code}\" Red=\"{red:.4}\" Green=\"{green:.4}\" Blue=\"{blue:.4}\" Alpha=\"1\">\
                 <![CDATA[{name}]]></Label>"
            );
        }
        xml.push_str(
            "</LabelTable><StudyMetaDataLinkSet></StudyMetaDataLinkSet><VolumeType><![CDATA[Label]]></VolumeType>\
             </VolumeInformation></CaretExtension>",
        );
        xml
    }

    /// A color table of 3D Slicer (`.ctbl`).
    #[must_use]
    pub fn to_slicer_colors(&self) -> String {
        let mut text =
            "# Color table for 3D Slicer: value name red green blue alpha\n0 background 0 0 0 0\n".to_owned();
        for (class, (code, name)) in self.entries().enumerate().skip(1) {
            let [red, green, blue] = label_color(class);
            // Names end at a space there.
            let name: String =
                name.chars().map(|c| if c.is_whitespace() || c.is_control() { '_' } else { c }).collect();
            let _ = writeln!(text, "{code} {name} {red} {green} {blue} 255");
        }
        text
    }

    /// A label description of ITK-SNAP (`.txt`).
    #[must_use]
    pub fn to_itk_snap_labels(&self) -> String {
        let mut text =
            "# Label descriptions for ITK-SNAP: IDX R G B A VIS MSH LABEL\n    0 0 0 0 0 0 0 \"Clear Label\"\n"
                .to_owned();
        for (class, (code, name)) in self.entries().enumerate().skip(1) {
            let [red, green, blue] = label_color(class);
            let name: String = name.chars().map(|c| if c == '"' || c.is_control() { ' ' } else { c }).collect();
            let _ = writeln!(text, "{code:>5} {red:>3} {green:>3} {blue:>3} 1 1 1 \"{name}\"");
        }
        text
    }
}

/// The color of a class from 1 on, red, green and blue: first Okabe and Ito's colors and two like them, which people with any
/// color vision tell apart; neighbors differ in lightness. From the tenth on, hues far from each other.
#[must_use]
pub fn label_color(class: usize) -> [u8; 3] {
    const FIRST: [[u8; 3]; 9] = [
        [0, 114, 178],
        [240, 228, 66],
        [213, 94, 0],
        [86, 180, 233],
        [0, 158, 115],
        [230, 159, 0],
        [136, 34, 85],
        [204, 121, 167],
        [221, 204, 119],
    ];
    let index = class.saturating_sub(1);
    if let Some(&color) = FIRST.get(index) {
        return color;
    }
    /// Steps by this share of the circle never come close to an earlier hue.
    const GOLDEN: f64 = 0.618_033_988_75;
    let hue = 6.0 * (index as f64 * GOLDEN).fract();
    let value = if index.is_multiple_of(2) { 0.95 } else { 0.65 };
    [0.0, 4.0, 2.0].map(|shift| {
        let distance = ((hue + shift).rem_euclid(6.0) - 3.0).abs();
        let share = (distance - 1.0).clamp(0.0, 1.0);
        (255.0 * value * (0.25 + 0.75 * share)).round() as u8
    })
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

    #[test]
    fn codes_are_those_of_the_data_set_and_one_for_each_class() {
        let plain = LabelTable::new(&["a", "b"]);
        assert_eq!(plain.clone().with_codes([1, 2]), plain);
        let own = plain.clone().with_codes([7, 300]);
        assert_eq!(own.entries().collect::<Vec<_>>(), [(0, "background"), (7, "a"), (300, "b")]);
        assert_eq!((own.code(1), plain.code(2), own.validate()), (7, 2, Ok(())));
        for wrong in [vec![7], vec![7, 7], vec![0, 1]] {
            assert!(plain.clone().with_codes(wrong).validate().is_err());
        }
    }

    #[test]
    fn tables_for_other_programs_say_codes_names_and_colors() {
        let table = LabelTable::new(&["left \"kidney\"", "a]]>b\n"]).with_codes([3, 300]);
        let xml = table.to_caret_xml();
        assert!(xml.contains(
            "<Label Key=\"3\" Red=\"0.0000\" Green=\"0.4471\" Blue=\"0.6980\" Alpha=\"1\"><![CDATA[left \"kidney\"]]></Label>"
        ));
        assert!(xml.contains("<Label Key=\"300\"") && xml.contains("<![CDATA[a]] >b]]>"));
        assert_eq!(table.to_slicer_colors().lines().nth(2), Some("3 left_\"kidney\" 0 114 178 255"));
        assert_eq!(table.to_itk_snap_labels().lines().nth(2), Some("    3   0 114 178 1 1 1 \"left  kidney \""));
    }

    #[test]
    fn colors_differ() {
        let colors: std::collections::BTreeSet<[u8; 3]> = (1..=60).map(label_color).collect();
        assert_eq!(colors.len(), 60);
    }
}
