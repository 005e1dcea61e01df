//! Splits and label schemes: what the repository's data files say.

use std::collections::BTreeSet;

use fastersam_datasets::label_scheme::{acdc_labels, synapse_labels};
use fastersam_datasets::{LabelScheme, split};

fn set(cases: &[u32]) -> BTreeSet<u32> {
    cases.iter().copied().collect()
}

#[test]
fn splits_are_the_published_ones() {
    let [train, valid, test] = ["train", "valid", "test"].map(|name| split::acdc(name).unwrap());
    assert_eq!([train.len(), valid.len(), test.len()], [70, 10, 20]);
    let all: BTreeSet<u32> = [train, valid.clone(), test].concat().into_iter().collect();
    assert_eq!(all, (1..=100).collect());
    assert_eq!(valid, [19, 21, 29, 33, 41, 50, 61, 71, 76, 80]);

    let (train, test) = (split::synapse("train").unwrap(), split::synapse("test").unwrap());
    assert_eq!(train, [5, 6, 7, 9, 10, 21, 23, 24, 26, 27, 28, 30, 31, 33, 34, 37, 39, 40]);
    assert_eq!(test, [8, 22, 38, 36, 32, 2, 29, 3, 1, 4, 25, 35]);
    assert!(set(&train).is_disjoint(&set(&test)));
    assert!(split::synapse("valid").unwrap_err().to_string().contains("fold-a"));
    assert!(split::synapse("fold-e").is_err() && split::acdc("fold-a").is_err());
}

#[test]
fn folds_divide_the_training_scans_and_never_touch_the_test_scans() {
    let (train, test) = (split::synapse("train").unwrap(), split::synapse("test").unwrap());
    let mut held_out = Vec::new();
    for fold in ["a", "b", "c", "d"] {
        let scored = split::synapse(&format!("fold-{fold}")).unwrap();
        let trained = split::synapse(&format!("fold-{fold}-train")).unwrap();
        assert!(matches!(scored.len(), 4 | 5));
        assert_eq!(scored.len() + trained.len(), train.len());
        assert!(set(&scored).is_disjoint(&set(&trained)));
        assert!(set(&[scored.clone(), trained].concat()).is_disjoint(&set(&test)));
        held_out.extend(scored);
    }
    assert_eq!(held_out.len(), train.len());
    assert_eq!(set(&held_out), set(&train));
}

#[test]
fn label_schemes_are_the_published_ones_and_name_their_sources() {
    let organs = ["aorta", "gallbladder", "left kidney", "right kidney", "liver", "pancreas", "spleen", "stomach"];
    assert_eq!(synapse_labels().names[1..], organs);
    assert_eq!(acdc_labels().names[1..], ["right ventricle", "myocardium", "left ventricle"]);
    // spleen, right kidney, left kidney, gallbladder, oesophagus, liver, stomach, aorta, inferior vena cava, portal and
    // splenic vein, pancreas, right and left adrenal
    assert_eq!(LabelScheme::Raw.canonical(), [0, 7, 4, 3, 2, 0, 5, 8, 1, 0, 0, 6, 0, 0]);
    assert_eq!(LabelScheme::Transunet.canonical(), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    // spleen, right kidney, left kidney, gallbladder, liver, stomach, aorta, pancreas
    assert_eq!(LabelScheme::Samed.canonical(), [0, 7, 4, 3, 2, 5, 8, 1, 6]);
    for scheme in LabelScheme::ALL {
        assert!(scheme.source().len() > 20, "{scheme:?}");
        assert_eq!(scheme.name().parse::<LabelScheme>().unwrap(), scheme);
        for class in 0..9 {
            assert_eq!(scheme.canonical()[usize::from(scheme.code(class))], class);
        }
    }
}
