//! Custom data sets, which a TOML file describes.

use std::fs;
use std::path::Path;

use fastersam_datasets::custom::{self, Description};
use fastersam_datasets::forms::{SynapseNifti, write_phantoms};
use fastersam_datasets::label_scheme::synapse_labels;
use fastersam_datasets::phantom::{Phantom, PhantomOptions};
use fastersam_datasets::{Case, DataSet, LabelScheme, OpenOptions, check, prepared, split};
use fastersam_volume::{Intensity, Orientation, write_image_volume, write_label_volume};
use ndarray::s;

const SEED: u64 = 3;
const SIZE: usize = 32;

/// A folder like nobody else's: coronal files, other codes, names inside folders.
fn own_folder(folder: &Path) -> Vec<Case> {
    let orientation = Orientation { axes: [1, 2, 0], positive: [false, true, true] };
    (0..6)
        .map(|index| {
            let mut scan = Phantom::Heart.acquire(SEED, index, SIZE);
            scan.spacing_mm = [8.0, 1.5, 1.5];
            let case = folder.join(format!("cohort/subject_{index:02}"));
            fs::create_dir_all(&case).unwrap();
            let label = scan.label.mapv(|class| [0, 10, 20, 200][usize::from(class)]);
            write_image_volume(&case.join("mr.nii.gz"), &scan.raw, scan.spacing_mm, orientation).unwrap();
            write_label_volume(&case.join("mr_seg.nii.gz"), &label, scan.spacing_mm, orientation).unwrap();
            scan.into_case()
        })
        .collect()
}

#[test]
fn a_data_set_of_ones_own_is_described_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let expected = own_folder(folder.path());
    let draft = custom::describe(folder.path(), None, &|_, _| {}).unwrap();
    assert_eq!(
        (draft.description.image.as_str(), draft.description.label.as_str()),
        ("cohort/{case}/mr.nii.gz", "cohort/{case}/mr_seg.nii.gz")
    );
    assert_eq!(draft.description.labels.iter().map(|l| l.code).collect::<Vec<_>>(), [10, 20, 200]);
    assert_eq!(draft.description.intensity, Intensity::Percentiles { low: 0.5, high: 99.5 });
    assert_eq!(draft.description.axis, custom::SliceAxis::Coronal);
    assert_eq!(draft.description.splits["valid"], ["subject_04"]);
    let file = folder.path().join("mine.toml");
    fs::write(&file, draft.to_toml().unwrap()).unwrap();
    assert_eq!(Description::read(&file).unwrap(), draft.description);

    let set = DataSet::open(&file, &OpenOptions::default()).unwrap();
    let train = set.load("train").unwrap();
    assert_eq!(train.len(), 5);
    // Slices run from posterior to anterior, rows to inferior, columns to the left: all three turned round.
    for (case, phantom) in train.iter().zip([0, 1, 2, 3, 5].map(|index: usize| &expected[index])) {
        assert_eq!(case.label, phantom.label.slice(s![..;-1, ..;-1, ..;-1]), "{}", case.id);
        assert_eq!(case.spacing_mm, phantom.spacing_mm);
    }
    assert!(check::check(&set, &[], false).problems.is_empty());

    // Merged and left-out codes, folds, the same intensities as the published set.
    let text = "name = \"mine\"\nfolder = \"cohort\"\nimage = \"{case}/mr.nii.gz\"\nlabel = \"{case}/mr_seg.nii.gz\"\n\
                axis = \"coronal\"\nbackground = [20]\nintensity = { clip_top = { percentile = 99.0 } }\n\
                labels = [{ code = 10, name = \"blood\" }, { code = 200, name = \"blood\" }]\n\
                [folds]\na = [\"subject_00\"]\nb = [\"subject_01\", \"subject_02\"]\n";
    fs::write(&file, text).unwrap();
    let set = DataSet::open(&file, &OpenOptions::default()).unwrap();
    let case = &set.load("fold-b-train").unwrap()[0];
    let turned = expected[0].label.slice(s![..;-1, ..;-1, ..;-1]).mapv(|class| u8::from(class == 1 || class == 3));
    assert_eq!(case.label, turned);
    assert_eq!(case.image, expected[0].image.slice(s![..;-1, ..;-1, ..;-1]));
    let imported = folder.path().join("prepared");
    prepared::import(&set, &imported, |_| {}).unwrap();
    let again = DataSet::open(&imported, &OpenOptions::default()).unwrap();
    assert_eq!(again.load("fold-b-train").unwrap()[0].image, case.image);

    for (from, to, reason) in [
        ("name = \"mine\"", "name = \"mine\"\ncolour = 1", "unknown field"),
        ("{case}/mr.nii.gz", "../{case}/mr.nii.gz", "without `..`"),
        ("{case}/mr.nii.gz", "mr.nii.gz", "{case}"),
        ("code = 200", "code = 10", "twice"),
        ("code = 200", "code = 0", "0 is background"),
        ("percentile = 99.0", "percentile = 101.0", "percentile"),
        ("background = [20]", "background = []", "label value 20"),
        ("\"subject_01\", ", "\"subject_09\", ", "subject_09"),
        ("folder = \"cohort\"", "folder = \"nowhere\"", "nowhere"),
    ] {
        assert!(text.contains(from));
        fs::write(&file, text.replacen(from, to, 1)).unwrap();
        let result = DataSet::open(&file, &OpenOptions::default()).and_then(|set| set.load("fold-b"));
        let message = result.err().map(|e| e.to_string());
        assert!(message.as_ref().is_some_and(|m| m.contains(reason)), "{to}: {message:?}");
    }
}

#[test]
fn folders_stand_for_patterns_and_label_maps_may_lie_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let scan = Phantom::Abdomen.acquire(SEED, 0, SIZE);
    let place = Orientation { axes: [2, 1, 0], positive: [true, false, false] };
    let [images, labels] = ["images", "labels"].map(|part| folder.path().join(part));
    fs::create_dir_all(&images).unwrap();
    fs::create_dir_all(&labels).unwrap();
    write_image_volume(&images.join("a.nii.gz"), &scan.raw, scan.spacing_mm, place).unwrap();
    // The same map with its axes in another order and not packed: columns first.
    let turned = scan.label.view().permuted_axes([2, 0, 1]).as_standard_layout().into_owned();
    let [slice_mm, row_mm, col_mm] = scan.spacing_mm;
    let other = Orientation { axes: [0, 2, 1], positive: [false, true, false] };
    write_label_volume(&labels.join("a.nii"), &turned, [col_mm, slice_mm, row_mm], other).unwrap();
    let file = folder.path().join("mine.toml");
    let organs = synapse_labels().names;
    let table: String = (1..9).map(|c| format!("{{ code = {c}, name = \"{}\" }}, ", organs[c])).collect();
    let text = format!(
        "name = \"mine\"\nimage = \"images\"\nlabel = \"labels\"\nlabels = [{table}]\n\
         intensity = {{ window = {{ low = -125.0, high = 275.0 }} }}\n"
    );
    fs::write(&file, &text).unwrap();
    let set = DataSet::open(&file, &OpenOptions::default()).unwrap();
    assert_eq!((set.len(), set.id(0)), (1, "a"));
    let (case, expected) = (set.read(0).unwrap(), scan.clone().into_case());
    assert_eq!((&case.image, &case.label), (&expected.image, &expected.label));
    assert_eq!(case.spacing_mm, expected.spacing_mm);
    assert!(check::check(&set, &[], false).problems.is_empty());

    // A label map of the same shape that claims another spacing is no label map of this scan.
    write_label_volume(&labels.join("a.nii"), &scan.label, [slice_mm, 2.0 * row_mm, col_mm], place).unwrap();
    let problems = check::check(&set, &[], false).problems;
    assert!(problems.len() == 1 && problems[0].contains("do not lie on each other"), "{problems:?}");
    for (to, reason) in [("nowhere", "nowhere"), ("images/a.nii.gz", "{case}"), ("", "{case}")] {
        fs::write(&file, text.replace("image = \"images\"", &format!("image = \"{to}\""))).unwrap();
        let message = DataSet::open(&file, &OpenOptions::default()).unwrap_err().to_string();
        assert!(message.contains(reason), "{to}: {message}");
    }
}

#[test]
fn the_described_btcv_scans_are_those_of_the_challenge() {
    let folder = tempfile::tempdir().unwrap();
    let options = PhantomOptions {
        cases: 2,
        size: SIZE,
        seed: SEED,
        label_scheme: Some(LabelScheme::Raw),
        ..PhantomOptions::default()
    };
    write_phantoms(folder.path(), &SynapseNifti, &options).unwrap();
    let text = include_str!("../../../../configs/datasets/btcv-13-organs.toml");
    let file = folder.path().join(custom::FILE_NAME);
    fs::write(&file, text.replace("folder = ", "# folder = ")).unwrap();
    let set = DataSet::open(folder.path(), &OpenOptions::default()).unwrap();
    assert_eq!((set.form.name(), set.labels.n_classes()), ("nifti", 14));
    let case = set.load("all").unwrap().remove(0);
    let expected = Phantom::Abdomen.acquire(SEED, 0, SIZE).into_case();
    assert_eq!(case.image, expected.image);
    let organs = synapse_labels().names;
    for (ours, class) in case.label.iter().zip(&expected.label) {
        assert_eq!(set.labels.names[usize::from(*ours)], organs[usize::from(*class)]);
    }
    // Its folds are the repository's.
    for fold in ["a", "b", "c", "d"] {
        let published: Vec<String> =
            split::synapse(&format!("fold-{fold}")).unwrap().iter().map(|case| format!("{case:04}")).collect();
        assert_eq!(set.splits[&format!("fold-{fold}")], published);
    }
}

#[test]
fn drafts_fit_the_usual_layouts() {
    for (image, label) in [
        ("images/{case}.nii.gz", "labels/{case}.nii.gz"),
        ("imagesTr/{case}_0000.nii.gz", "labelsTr/{case}.nii.gz"),
        ("{case}/{case}_ct.nii.gz", "{case}/{case}_mask.nii.gz"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        for index in 0..3 {
            let scan = Phantom::Abdomen.acquire(SEED, index, 16);
            for (pattern, is_image) in [(image, true), (label, false)] {
                let path = folder.path().join(pattern.replace("{case}", &format!("liver_{}", 10 * (index + 1))));
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                let place = Orientation::default();
                if is_image {
                    write_image_volume(&path, &scan.raw, scan.spacing_mm, place).unwrap();
                } else {
                    write_label_volume(&path, &scan.label, scan.spacing_mm, place).unwrap();
                }
            }
        }
        let draft = custom::describe(folder.path(), None, &|_, _| {}).unwrap();
        let file = folder.path().join("mine.toml");
        fs::write(&file, draft.to_toml().unwrap()).unwrap();
        let set = DataSet::open(&file, &OpenOptions::default()).unwrap();
        assert_eq!(set.load("all").unwrap().len(), 3, "{draft:?}");
        assert!(matches!(draft.description.intensity, Intensity::Window { .. }));
    }
}

#[test]
fn as_many_classes_as_bytes_tell_apart_can_be_described() {
    let folder = tempfile::tempdir().unwrap();
    let (images, labels) = (folder.path().join("images"), folder.path().join("labels"));
    fs::create_dir_all(&images).unwrap();
    fs::create_dir_all(&labels).unwrap();
    let raw = ndarray::Array3::from_shape_fn((1, 16, 16), |(_, row, col)| (16 * row + col) as i16);
    let codes = raw.mapv(|value| value as u8);
    write_image_volume(&images.join("a.nii"), &raw, [1.0; 3], Orientation::default()).unwrap();
    write_label_volume(&labels.join("a.nii"), &codes, [1.0; 3], Orientation::default()).unwrap();
    let describe = |n_labels: u16, name: &dyn Fn(u16) -> u16| {
        let table: Vec<String> =
            (1..=n_labels).map(|code| format!("{{ code = {code}, name = \"class {}\" }}", name(code))).collect();
        let text = format!(
            "name = \"many\"\nimage = \"images\"\nlabel = \"labels\"\nintensity = {{ window = {{ low = 0.0, high = 255.0 }} }}\n\
             labels = [{}]\n",
            table.join(", ")
        );
        let file = folder.path().join(custom::FILE_NAME);
        fs::write(&file, text).unwrap();
        DataSet::open(folder.path(), &OpenOptions::default())
    };
    let set = describe(255, &|code| code).unwrap();
    assert_eq!(set.labels.n_classes(), 256);
    let case = set.read(0).unwrap();
    assert_eq!(case.count_voxels(256), vec![1; 256]);
    let imported = folder.path().join("prepared");
    let manifest = prepared::import(&set, &imported, |_| {}).unwrap();
    assert_eq!(manifest.cases[0].voxels, vec![1; 256]);
    assert_eq!(DataSet::open(&imported, &OpenOptions::default()).unwrap().read(0).unwrap().label, case.label);
    let refused = describe(256, &|code| code).unwrap_err().to_string();
    assert!(refused.contains("257 classes"), "{refused}");
    // More codes than classes are no problem.
    assert_eq!(describe(600, &|code| code / 3).unwrap().labels.n_classes(), 202);
}
