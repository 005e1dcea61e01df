//! Every form is read as it was written; prepared and described data sets.

use std::fs;
use std::path::Path;

use fastersam_datasets::coding::{AxisOrder, SynapseCoding};
use fastersam_datasets::custom::{self, Description};
use fastersam_datasets::phantom::Phantom;
use fastersam_datasets::prepared::{self, Prepared};
use fastersam_datasets::write::{PhantomOptions, phantoms};
use fastersam_datasets::{Case, DataSet, Form, Intensity, OpenOptions, check, split};
use fastersam_golden::real_data;
use ndarray::{Axis, s};

const SEED: u64 = 3;
const SIZE: usize = 32;

fn options(cases: usize, coding: SynapseCoding, axes: AxisOrder) -> PhantomOptions {
    PhantomOptions { cases, size: SIZE, seed: SEED, coding, axes }
}

/// Writes, opens, imports, and compares every case of the files and of the prepared form with the phantom.
#[track_caller]
fn round_trip(form: Form, coding: SynapseCoding, axes: AxisOrder) {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("data");
    phantoms(&at, form, &options(4, coding, axes)).unwrap();
    assert_eq!(Form::detect(&at).unwrap(), form);
    let open = OpenOptions { form: None, coding: Some(coding), axes };
    let set = DataSet::open(&at, &open).unwrap();
    let (family, n_scans) =
        if form.name().starts_with("synapse") { (Phantom::Abdomen, 4) } else { (Phantom::Heart, 8) };
    assert_eq!(set.len(), n_scans, "{form:?}");
    let imported = folder.path().join("prepared");
    let manifest = prepared::import(&set, &imported, |_| {}).unwrap();
    assert_eq!((manifest.source.form, manifest.source.axes), (form, axes));
    let prepared = Prepared::open(&imported).unwrap();
    let again = DataSet::open(&imported, &OpenOptions::default()).unwrap();
    assert_eq!(again.labels, family.labels());
    let knows_spacing = matches!(form, Form::SynapseNifti | Form::AcdcNifti);
    for index in 0..n_scans {
        let expected = family.acquire(SEED, index, SIZE).into_case();
        for case in [set.read(index).unwrap(), again.read(index).unwrap()] {
            let what = format!("{form:?} {coding:?} {axes:?} {}", case.id);
            // Bit for bit.
            assert_eq!(case.image, expected.image, "{what}");
            assert_eq!(case.label, expected.label, "{what}");
            if knows_spacing {
                assert_eq!(
                    (case.spacing_mm, case.orientation),
                    (expected.spacing_mm, expected.orientation),
                    "{what}"
                );
            }
        }
        let last = expected.image.len_of(Axis(0)) - 1;
        let (image, label) = prepared.slice(index, last).unwrap();
        assert_eq!(image, expected.image.index_axis(Axis(0), last));
        assert_eq!(label, expected.label.index_axis(Axis(0), last));
    }
    let report = check::check(&again, &[], false);
    assert!(report.problems.is_empty(), "{report}");
    let names = |set: &DataSet, split: &str| -> Vec<String> {
        set.split(split).unwrap().into_iter().map(|case| set.key(case).to_owned()).collect()
    };
    assert_eq!(names(&again, "all"), names(&set, "all"));
}

#[test]
fn synapse_in_every_form_coding_and_axis_order_is_the_same() {
    for coding in [SynapseCoding::Raw, SynapseCoding::Transunet, SynapseCoding::Samed] {
        round_trip(Form::SynapseNifti, coding, AxisOrder::Zyx);
        for axes in [AxisOrder::Zyx, AxisOrder::Zxy] {
            round_trip(Form::SynapseNpz, coding, axes);
        }
    }
}

#[test]
fn acdc_in_every_form_and_axis_order_is_the_same() {
    round_trip(Form::AcdcNifti, SynapseCoding::Raw, AxisOrder::Zyx);
    for form in [Form::AcdcH5, Form::AcdcH5Slices, Form::AcdcNpz] {
        for axes in [AxisOrder::Zyx, AxisOrder::Zxy] {
            round_trip(form, SynapseCoding::Raw, axes);
        }
    }
}

#[test]
fn a_coding_must_be_named_and_a_wrong_one_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("data");
    phantoms(&at, Form::SynapseNpz, &options(6, SynapseCoding::Transunet, AxisOrder::Zyx)).unwrap();
    let error = DataSet::open(&at, &OpenOptions::default()).unwrap_err().to_string();
    assert!(error.contains("name the coding"), "{error}");
    let problems = |coding| {
        let open = OpenOptions { coding: Some(coding), ..OpenOptions::default() };
        check::check(&DataSet::open(&at, &open).unwrap(), &[], true).problems
    };
    assert_eq!(problems(SynapseCoding::Transunet), Vec::<String>::new());
    for wrong in [SynapseCoding::Raw, SynapseCoding::Samed] {
        let problems = problems(wrong);
        assert!(problems.iter().any(|p| p.contains("coding")), "{wrong:?}: {problems:?}");
    }
}

#[test]
fn a_check_says_what_is_wrong_where() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("data");
    phantoms(&at, Form::AcdcH5, &options(20, SynapseCoding::Raw, AxisOrder::Zyx)).unwrap();
    let problems = || check::check(&DataSet::open(&at, &OpenOptions::default()).unwrap(), &[], false).problems;
    assert_eq!(problems(), Vec::<String>::new());
    let file = at.join("ACDC_training_volumes/patient004_frame01.h5");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    assert!(problems().iter().any(|p| p.contains("patient004_frame01.h5")));
    fs::write(&file, &bytes).unwrap();
    // As published data, 20 patients are a part of each split.
    fs::remove_file(at.join("phantom.toml")).unwrap();
    let found = problems();
    assert!(
        found.iter().any(|p| p.starts_with("train is not complete: 58 of 70 are missing: patient022")),
        "{found:?}"
    );
    let set = DataSet::open(&at, &OpenOptions::default()).unwrap();
    let report = check::check(&set, &["valid".to_owned(), "nosuch".to_owned()], true);
    assert!(report.problems.iter().any(|p| p.contains("valid is not complete")), "{report}");
    assert!(report.problems.iter().any(|p| p.contains("no split \"nosuch\"")), "{report}");
}

#[test]
fn a_prepared_data_set_notices_a_changed_value() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("prepared");
    phantoms(&at, Form::Prepared, &options(2, SynapseCoding::Raw, AxisOrder::Zyx)).unwrap();
    let case = DataSet::open(&at, &OpenOptions::default()).unwrap().read(0).unwrap();
    let manifest = at.join("dataset.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let shape = format!("shape = [{}, ", case.image.dim().0);
    let fails = |from: &str, to: &str, reason: &str| {
        assert!(text.contains(from), "{text}");
        fs::write(&manifest, text.replacen(from, to, 1)).unwrap();
        let result = DataSet::open(&at, &OpenOptions::default()).and_then(|set| set.read(0));
        let message = result.err().map(|e| e.to_string());
        assert!(message.as_ref().is_some_and(|m| m.contains(reason)), "{from} -> {to}: {message:?}");
    };
    fails("sha256 = \"", "sha256 = \"0", "hash");
    fails(&shape, "shape = [1, ", "hash");
    fails(&shape, "shape = [999999999999, ", "claims the shape");
    fails("id = \"case0001\"", "id = \"../case0001\"", "names a case");
    fails("format = 1", "format = 2", "format 2");
    fails("axes = \"zyx\"", "axes = \"zxy\"", "zxy");
    fails("name = ", "colour = ", "unknown field");
    // Another seed's file under the same name.
    fs::write(&manifest, &text).unwrap();
    fs::copy(at.join("cases/case0002.npz"), at.join("cases/case0001.npz")).unwrap();
    assert!(DataSet::open(&at, &OpenOptions::default()).unwrap().read(0).is_err());
}

/// A folder like nobody else's: coronal files, other codes, names inside folders.
fn own_folder(folder: &Path) -> Vec<Case> {
    let orientation = fastersam_datasets::Orientation { axes: [1, 2, 0], positive: [false, true, true] };
    (0..6)
        .map(|index| {
            let mut scan = Phantom::Heart.acquire(SEED, index, SIZE);
            scan.spacing_mm = [8.0, 1.5, 1.5];
            let case = folder.join(format!("cohort/subject_{index:02}"));
            fs::create_dir_all(&case).unwrap();
            let label = scan.label.mapv(|class| [0, 10, 20, 200][usize::from(class)]);
            fastersam_datasets::write_image_volume(
                &case.join("mr.nii.gz"),
                &scan.raw,
                scan.spacing_mm,
                orientation,
            )
            .unwrap();
            fastersam_datasets::write_label_volume(
                &case.join("mr_seg.nii.gz"),
                &label,
                scan.spacing_mm,
                orientation,
            )
            .unwrap();
            scan.into_case()
        })
        .collect()
}

#[test]
fn a_data_set_of_ones_own_is_described_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let expected = own_folder(folder.path());
    let draft = custom::describe(folder.path()).unwrap();
    assert_eq!(
        (draft.image.as_str(), draft.label.as_str()),
        ("cohort/{case}/mr.nii.gz", "cohort/{case}/mr_seg.nii.gz")
    );
    assert_eq!(draft.labels.iter().map(|l| l.code).collect::<Vec<_>>(), [10, 20, 200]);
    assert_eq!(draft.intensity, Intensity::Percentiles { low: 0.5, high: 99.5 });
    assert_eq!(draft.axis, custom::SliceAxis::Coronal);
    assert_eq!(draft.splits["valid"], ["subject_04"]);
    let file = folder.path().join("mine.toml");
    fs::write(&file, custom::to_toml(&draft).unwrap()).unwrap();
    assert_eq!(Description::read(&file).unwrap(), draft);

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
    let place = fastersam_datasets::Orientation { axes: [2, 1, 0], positive: [true, false, false] };
    let [images, labels] = ["images", "labels"].map(|part| folder.path().join(part));
    fs::create_dir_all(&images).unwrap();
    fs::create_dir_all(&labels).unwrap();
    fastersam_datasets::write_image_volume(&images.join("a.nii.gz"), &scan.raw, scan.spacing_mm, place).unwrap();
    // The same map with its axes in another order and not packed: columns first.
    let turned = scan.label.view().permuted_axes([2, 0, 1]).as_standard_layout().into_owned();
    let [slice_mm, row_mm, col_mm] = scan.spacing_mm;
    let other = fastersam_datasets::Orientation { axes: [0, 2, 1], positive: [false, true, false] };
    fastersam_datasets::write_label_volume(&labels.join("a.nii"), &turned, [col_mm, slice_mm, row_mm], other)
        .unwrap();
    let file = folder.path().join("mine.toml");
    let organs = fastersam_datasets::coding::synapse_labels().names;
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
    fastersam_datasets::write_label_volume(
        &labels.join("a.nii"),
        &scan.label,
        [slice_mm, 2.0 * row_mm, col_mm],
        place,
    )
    .unwrap();
    let problems = check::check(&set, &[], false).problems;
    assert!(problems.len() == 1 && problems[0].contains("labels/a.nii has the spacing"), "{problems:?}");
    for (to, reason) in [("nowhere", "nowhere"), ("images/a.nii.gz", "{case}"), ("", "{case}")] {
        fs::write(&file, text.replace("image = \"images\"", &format!("image = \"{to}\""))).unwrap();
        let message = DataSet::open(&file, &OpenOptions::default()).unwrap_err().to_string();
        assert!(message.contains(reason), "{to}: {message}");
    }
}

#[test]
fn the_described_btcv_scans_are_those_of_the_challenge() {
    let folder = tempfile::tempdir().unwrap();
    phantoms(folder.path(), Form::SynapseNifti, &options(2, SynapseCoding::Raw, AxisOrder::Zyx)).unwrap();
    let text = include_str!("../../../../configs/datasets/btcv-13-organs.toml");
    let file = folder.path().join(custom::FILE_NAME);
    fs::write(&file, text.replace("folder = ", "# folder = ")).unwrap();
    let set = DataSet::open(folder.path(), &OpenOptions::default()).unwrap();
    assert_eq!((set.form, set.labels.n_classes()), (Form::Nifti, 14));
    let case = set.load("all").unwrap().remove(0);
    let expected = Phantom::Abdomen.acquire(SEED, 0, SIZE).into_case();
    assert_eq!(case.image, expected.image);
    let organs = fastersam_datasets::coding::synapse_labels().names;
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
                let place = fastersam_datasets::Orientation::default();
                if is_image {
                    fastersam_datasets::write_image_volume(&path, &scan.raw, scan.spacing_mm, place).unwrap();
                } else {
                    fastersam_datasets::write_label_volume(&path, &scan.label, scan.spacing_mm, place).unwrap();
                }
            }
        }
        let draft = custom::describe(folder.path()).unwrap();
        let file = folder.path().join("mine.toml");
        fs::write(&file, custom::to_toml(&draft).unwrap()).unwrap();
        let set = DataSet::open(&file, &OpenOptions::default()).unwrap();
        assert_eq!(set.load("all").unwrap().len(), 3, "{draft:?}");
        assert!(matches!(draft.intensity, Intensity::Window { .. }));
    }
}

/// Real data, where the environment names the folder whose `data/` holds them.
#[test]
fn real_data_have_the_published_counts() {
    for name in ["acdc", "btcv", "acdc_h5"] {
        let Some(path) = real_data(&format!("data/{name}")) else { continue };
        let report = check::check(&DataSet::open(&path, &OpenOptions::default()).unwrap(), &[], name == "acdc_h5");
        println!("{report}");
        assert!(report.problems.is_empty(), "{name}");
        let slices = |split: &str| report.splits.get(split).map(|split| split.slices);
        match name {
            "acdc" => assert_eq!((slices("train"), slices("valid")), (Some(1304), Some(182))),
            "btcv" => assert_eq!(slices("train"), Some(2211)),
            _ => assert!(slices("train").is_some_and(|n| n > 0)),
        }
    }
}

/// The h5 form of some of the same patients, where both are there.
#[test]
fn real_scans_in_two_forms_are_the_same() {
    let (Some(nifti), Some(h5)) = (real_data("data/acdc"), real_data("data/acdc_h5")) else { return };
    let [nifti, h5] = [nifti, h5].map(|path| DataSet::open(&path, &OpenOptions::default()).unwrap());
    let place = |id: &str| (0..nifti.len()).find(|&case| nifti.id(case) == id);
    let mut compared = 0;
    for case in 0..h5.len() {
        let Some(twin) = place(h5.id(case)) else { continue };
        let (ours, theirs) = (nifti.read(twin).unwrap(), h5.read(case).unwrap());
        assert_eq!(ours.label, theirs.label, "{}", ours.id);
        let largest = (&ours.image - &theirs.image).fold(0.0_f32, |worst, d| worst.max(d.abs()));
        println!("{}: labels are the same, gray values differ by {largest:.1e} at most", ours.id);
        // The NIfTI files' 12 bits.
        assert!(largest < 1.0 / 4095.0, "{}: {largest}", ours.id);
        compared += 1;
    }
    assert!(compared > 0);
}
