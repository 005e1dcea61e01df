//! Elements of a data set, and values in the lengths that their types allow.

use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, Length, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

use super::codes::Code;

/// The most characters of a long string.
const MAX_LO: usize = 64;
/// The most characters of a decimal string.
const MAX_DS: usize = 16;

/// An element of a data set.
pub type Element = DataElement<InMemDicomObject>;

/// A data set of these elements.
pub fn item<const N: usize>(elements: [Element; N]) -> InMemDicomObject {
    InMemDicomObject::from_element_iter(elements)
}

/// An element with a text.
pub fn element(tag: Tag, vr: VR, value: &str) -> Element {
    DataElement::new(tag, vr, PrimitiveValue::from(value))
}

/// A sequence.
pub fn sequence(tag: Tag, items: Vec<InMemDicomObject>) -> Element {
    DataElement::new(tag, VR::SQ, DataSetSequence::new(items, Length::UNDEFINED))
}

/// A concept as an item of a sequence.
pub fn code_item(code: Code) -> InMemDicomObject {
    item([
        element(tags::CODE_VALUE, VR::SH, code.value),
        element(tags::CODING_SCHEME_DESIGNATOR, VR::SH, code.scheme),
        element(tags::CODE_MEANING, VR::LO, code.meaning),
    ])
}

/// An element with numbers as decimal strings.
pub fn decimals(tag: Tag, values: &[f64]) -> Element {
    let texts: Vec<String> = values.iter().map(|&value| decimal(value)).collect();
    DataElement::new(tag, VR::DS, PrimitiveValue::Strs(texts.into()))
}

/// A number in as many digits as a decimal string holds.
fn decimal(value: f64) -> String {
    let plain = value.to_string();
    if plain.len() <= MAX_DS {
        return plain;
    }
    let is_plain = value == 0.0 || (1e-4..1e12).contains(&value.abs());
    let with = |digits: usize| if is_plain { format!("{value:.digits$}") } else { format!("{value:.digits$e}") };
    (0..MAX_DS).rev().map(with).find(|text| text.len() <= MAX_DS).unwrap_or_else(|| "0".to_owned())
}

/// Texts that backslashes divide.
pub fn strings(value: &str) -> PrimitiveValue {
    if value.contains('\\') {
        PrimitiveValue::Strs(value.split('\\').map(str::to_owned).collect())
    } else {
        value.into()
    }
}

/// As much as a long string holds, without what would divide it.
pub fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).map(|c| if c == '\\' { '/' } else { c }).take(MAX_LO).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_fit_and_keep_their_digits() {
        for value in
            [0.0, -1.5, 0.703125, -123.456789012345, 1.0 / 3.0, -1e-9 / 3.0, 98765.43210987654, 5e-20, -4e20 / 3.0]
        {
            let text = decimal(value);
            assert!(text.len() <= MAX_DS, "{text}");
            let back: f64 = text.parse().unwrap_or(f64::NAN);
            assert!((back - value).abs() <= 1e-9 * value.abs().max(1e-12), "{value} became {text}");
        }
    }

    #[test]
    fn texts_are_cut_to_what_fits() {
        assert_eq!(cut("left\\right\n"), "left/right");
        assert_eq!(cut(&"ä".repeat(80)).chars().count(), MAX_LO);
    }
}
