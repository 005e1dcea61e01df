//! The first experiment file for data of one's own.

use fastersam_datasets::custom::Description;
use fastersam_records::slug;

/// Training of a draft sees about so many slices: minutes with the preset `tiny` on a CPU.
const SEEN_SLICES: usize = 12_000;
/// The fewest and the most epochs of a draft.
const EPOCHS: [usize; 2] = [10, 60];
/// The fewest patients to train on of whom some are held out: of fewer, each would be missed.
const ENOUGH_TO_HOLD_OUT: usize = 5;

/// An experiment file for described data, to be read as it is and to be changed: everything that is not said in it has a
/// default. `path` is that of the description, relative to where the file will lie. None where there are no patients to
/// score beside those to train on.
#[must_use]
pub fn draft(description: &Description, n_training_slices: usize, path: &str) -> Option<String> {
    let n_patients = |split: &str| description.splits.get(split).map_or(0, Vec::len);
    let n_train = n_patients("train");
    let (has_valid, has_test) = (n_patients("valid") > 0, n_patients("test") > 0);
    if n_train == 0 || !(has_valid || has_test) {
        return None;
    }
    let calibrate = match n_train {
        _ if has_valid && has_test => "\"valid\"".to_owned(),
        ..ENOUGH_TO_HOLD_OUT => "{ from_training = 1 }".to_owned(),
        _ => format!("{{ hold_out = {} }}", n_train.div_ceil(10)),
    };
    let evaluate = if has_test { "test" } else { "valid" };
    let epochs = (SEEN_SLICES / n_training_slices.max(1)).clamp(EPOCHS[0], EPOCHS[1]);
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let id = Some(slug(&description.name).replace('.', "-")).filter(|id| !id.is_empty());
    Some(format!(
        "# A first experiment. `fastersam train -c FILE` trains it, `fastersam reproduce` takes it in a suite. All keys and their\n\
         # defaults: docs/configuration.md.\n\
         id = {}\n\
         title = {}\n\
         \n\
         [data]\n\
         source = \"files\"\n\
         path = {}\n\
         train = \"train\"\n\
         # Which cases choose the pause setting.\n\
         calibrate = {calibrate}\n\
         # Which cases are scored.\n\
         evaluate = \"{evaluate}\"\n\
         \n\
         [model]\n\
         # `tiny` trains in minutes on a CPU. Better, and slower: `small`, or `vit_s`, `vit_b`, ... from pre-trained weights.\n\
         preset = \"tiny\"\n\
         # Tokens may pause before the first block (0) and after these.\n\
         pause_points = [0, 2, 4]\n\
         \n\
         [train]\n\
         # Each sees {n_training_slices} slices; more epochs are better, and slower.\n\
         epochs = {epochs}\n\
         validate_every_epochs = {}\n",
        quoted(id.as_deref().unwrap_or("experiment")),
        quoted(&description.name),
        quoted(path),
        epochs.div_ceil(10),
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fastersam_datasets::custom::SliceAxis;
    use fastersam_volume::Intensity;

    use super::*;
    use crate::config::{Calibrate, DataConfig, Experiment, FromTraining, HoldOut};

    fn described(name: &str, splits: &[(&str, usize)]) -> Description {
        let patients = |n: usize| (0..n).map(|n| format!("p{n}")).collect::<Vec<_>>();
        Description {
            name: name.to_owned(),
            folder: None,
            image: "images".to_owned(),
            label: "labels".to_owned(),
            axis: SliceAxis::Axial,
            background: Vec::new(),
            intensity: Intensity::Unit,
            labels: Vec::new(),
            splits: splits.iter().map(|(split, n)| ((*split).to_owned(), patients(*n))).collect(),
            folds: BTreeMap::new(),
            cases: Vec::new(),
        }
    }

    fn experiment(description: &Description, n_slices: usize) -> Experiment {
        Experiment::parse(&draft(description, n_slices, "a \\ b.toml").unwrap(), &[]).unwrap()
    }

    #[test]
    fn a_draft_is_an_experiment_whatever_the_data_are_called() {
        for (name, id) in [("Leber \"α\" 3.1", "leber-3_1"), ("...", "___"), ("→", "experiment")] {
            let experiment = experiment(&described(name, &[("train", 30), ("valid", 1)]), 900);
            assert_eq!((experiment.title.as_str(), experiment.id.as_str()), (name, id));
            let DataConfig::Files { path, .. } = experiment.data else { panic!("{name}") };
            assert_eq!(path.to_str().unwrap(), "a \\ b.toml");
        }
    }

    #[test]
    fn a_draft_chooses_and_scores_on_what_there_is() {
        let from_training = Calibrate::FromTraining(FromTraining { from_training: 1 });
        let hold_out = |hold_out| Calibrate::HoldOut(HoldOut { hold_out });
        for (splits, expected, scored) in [
            (&[("train", 30), ("valid", 7)][..], hold_out(3), "valid"),
            (&[("train", 5), ("valid", 1)], hold_out(1), "valid"),
            (&[("train", 4), ("valid", 1)], from_training.clone(), "valid"),
            (&[("train", 1), ("valid", 1)], from_training.clone(), "valid"),
            (&[("train", 12), ("test", 4)], hold_out(2), "test"),
            (&[("train", 12), ("valid", 3), ("test", 4)], Calibrate::Split("valid".to_owned()), "test"),
        ] {
            let DataConfig::Files { calibrate, evaluate, .. } = experiment(&described("a", splits), 100).data
            else {
                panic!("{splits:?}")
            };
            assert_eq!((calibrate, evaluate.as_str()), (expected, scored), "{splits:?}");
        }
        assert_eq!(draft(&described("a", &[("train", 1)]), 20, "a.toml"), None);
        let epochs = |n_slices| experiment(&described("a", &[("train", 9), ("valid", 1)]), n_slices).train.epochs;
        assert_eq!([0, 10, 400, 1_000_000].map(epochs), [EPOCHS[1], EPOCHS[1], 30, EPOCHS[0]]);
    }
}
