//! `segment` of several scans, and what it writes beside a label map.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use fastersam_datasets::phantom::Phantom;
use fastersam_volume::{Orientation, Scan, write_image_volume};
use serde_json::Value;

use crate::program::{checkpoint, fastersam, stderr, stdout, text};

/// Scans of different phantoms.
fn write_scans(folder: &Path, names: &[&str]) {
    fs::create_dir_all(folder).unwrap();
    for (index, name) in names.iter().enumerate() {
        let scan = Phantom::Abdomen.acquire(1, index, 48);
        write_image_volume(&folder.join(name), &scan.raw, scan.spacing_mm, Orientation::default()).unwrap();
    }
}

fn voxels(path: &Path) -> Vec<f32> {
    Scan::read(path).unwrap().voxels.iter().copied().collect()
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn folders_and_lists_are_segmented_and_a_bad_file_stops_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let model = checkpoint(folder.path());
    let segment = |scans: &[&str], more: &[&str]| {
        let scans: Vec<_> = scans.iter().map(|scan| at(scan)).collect();
        let scans: Vec<&str> = scans.iter().map(|scan| text(scan)).collect();
        fastersam(&[&["segment", "-m", text(&model)], more, &scans].concat())
    };
    write_scans(&at("scans"), &["a.nii.gz", "b.nii", "._c.nii.gz"]);
    // What is no scan: a result, a table, the resource fork of a Mac; and what should be one.
    fs::copy(at("scans/a.nii.gz"), at("scans/old_segmentation.nii.gz")).unwrap();
    fs::write(at("scans/notes.csv"), "a,b\n").unwrap();
    fs::write(at("scans/._c.nii.gz"), "Mac OS X").unwrap();
    fs::write(at("scans/bad.nii.gz"), "<!DOCTYPE html>").unwrap();

    let output = segment(&["scans"], &["-o", text(&at("maps"))]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let written: Vec<&str> = printed.lines().collect();
    assert_eq!(
        written,
        [text(&at("maps/a_segmentation.nii.gz")), text(&at("maps/b_segmentation.nii"))],
        "the bad scan lies between them"
    );
    for words in ["web page", "1 of 3 scans could not be segmented", "bad.nii.gz", "3 of 3 scans, "] {
        assert!(said.contains(words), "{words:?} in {said}");
    }
    let expected = [
        "a_segmentation.nii.gz",
        "a_segmentation_labels.json",
        "b_segmentation.nii",
        "b_segmentation.nii_labels.json",
    ];
    assert_eq!(names_in(&at("maps")), expected);
    // Each is what it is alone.
    for (scan, map) in [("scans/a.nii.gz", "a_segmentation.nii.gz"), ("scans/b.nii", "b_segmentation.nii")] {
        stdout(&segment(&[scan], &["-o", text(&at("alone.nii.gz")), "--overwrite"]));
        let alone = voxels(&at("alone.nii.gz"));
        assert!(alone.iter().any(|&class| class > 0.0), "an empty map tells nothing");
        assert_eq!(voxels(&at("maps").join(map)), alone, "{scan}");
    }
    assert_ne!(voxels(&at("maps/a_segmentation.nii.gz")), voxels(&at("maps/b_segmentation.nii")));

    // A second time only what is missing is made.
    fs::remove_file(at("scans/bad.nii.gz")).unwrap();
    assert!(stderr(&segment(&["scans"], &["-o", text(&at("maps"))])).contains("--overwrite"));
    let made = fs::read(at("maps/b_segmentation.nii")).unwrap();
    fs::remove_file(at("maps/b_segmentation.nii")).unwrap();
    fs::remove_file(at("maps/b_segmentation.nii_labels.json")).unwrap();
    fs::write(at("maps/a_segmentation.nii.gz"), "drawn by hand").unwrap();
    let output = segment(&["scans"], &["-o", text(&at("maps")), "--skip-existing"]);
    assert_eq!(stdout(&output).trim(), text(&at("maps/b_segmentation.nii")));
    assert!(stderr(&output).contains("1 of 2 scans segmented already, skipping"), "{}", stderr(&output));
    assert_eq!(fs::read(at("maps/a_segmentation.nii.gz")).unwrap(), b"drawn by hand");
    assert_eq!(fs::read(at("maps/b_segmentation.nii")).unwrap(), made);
    let output = segment(&["scans"], &["-o", text(&at("maps")), "--skip-existing"]);
    assert_eq!(stdout(&output), "", "nothing is left to do");

    // A list: relative to itself, each scan once, and a line that leads nowhere.
    let list =
        "# from the archive\n\nscans/b.nii\n  scans/a.nii.gz  \n./scans/../scans/b.nii\nscans/gone.nii.gz\n";
    fs::write(at("list.txt"), list).unwrap();
    let output = segment(&["list.txt"], &["-o", text(&at("listed")), "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let scans: Vec<&str> = lines.iter().map(|line| line["scan"].as_str().unwrap()).collect();
    assert_eq!(scans, [text(&at("scans/b.nii")), text(&at("scans/a.nii.gz")), text(&at("scans/gone.nii.gz"))]);
    assert!(lines[2]["error"].as_str().unwrap().contains("does not exist"), "{printed}");
    assert_eq!(lines[0]["segmentation"], text(&at("listed/b_segmentation.nii")));
    assert_eq!(voxels(&at("listed/b_segmentation.nii")), voxels(&at("maps/b_segmentation.nii")));

    // What can't be meant is said before the work.
    fs::create_dir(at("nothing")).unwrap();
    fs::write(at("nothing.txt"), "# none\n").unwrap();
    write_scans(&at("more"), &["a.nii.gz"]);
    for (scans, to, words) in [
        (&["nothing"][..], "x", "without scans"),
        (&["nothing.txt"], "x", "lists no scans"),
        (&["scans/a.nii.gz", "more/a.nii.gz"], "x", "would both write"),
        (&["scans"], "x.nii.gz", "one file for 2 scans"),
    ] {
        let output = segment(scans, &["-o", text(&at(to))]);
        assert!(!output.status.success() && stderr(&output).contains(words), "{scans:?}: {}", stderr(&output));
        assert!(!at(to).exists(), "{to} was made in vain");
    }
}

/// The classes of a label map, and what the statistics must say of each: voxels, mean intensity, bounding box.
fn measured(scan: &Scan, map: &Scan) -> BTreeMap<u16, (usize, f64, [[usize; 2]; 3])> {
    let mut found: BTreeMap<u16, (usize, f64, [[usize; 2]; 3])> = BTreeMap::new();

    for ((place, &class), &value) in map.voxels.indexed_iter().zip(&scan.voxels) {
        if class > 0.0 {
            let place = [place.0, place.1, place.2];
            let (n, sum, bounds) = found.entry(class as u16).or_insert((0, 0.0, place.map(|at| [at, at])));
            *n += 1;
            *sum += f64::from(value);
            for (bound, at) in bounds.iter_mut().zip(place) {
                *bound = [bound[0].min(at), bound[1].max(at)];
            }
        }
    }
    found
}

#[test]
fn what_lies_beside_a_label_map_agrees_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let model = checkpoint(folder.path());
    write_scans(folder.path(), &["s.nii.gz"]);
    let all = "--preview --html --statistics --save-pause-map --save-probabilities --color-tables --json";
    let segment = |output: &str, more: &[&str]| -> Value {
        let (scan, output) = (at("s.nii.gz"), at(output));
        let always = ["segment", text(&scan), "-m", text(&model), "-o"];
        let arguments = [&always[..], &[text(&output)], &all.split(' ').collect::<Vec<_>>(), more].concat();
        serde_json::from_str(&stdout(&fastersam(&arguments))).unwrap()
    };
    let result = segment("m.nii.gz", &["--pause", "0.9"]);
    let (scan, map) = (Scan::read(&at("s.nii.gz")).unwrap(), Scan::read(&at("m.nii.gz")).unwrap());
    let expected = measured(&scan, &map);
    assert!(!expected.is_empty(), "an empty map tells nothing");

    let statistics: Value = serde_json::from_str(&fs::read_to_string(at("m_statistics.json")).unwrap()).unwrap();
    let table = fs::read_to_string(at("m_statistics.csv")).unwrap();
    let voxel_ml: f64 = scan.grid.spacing_mm.iter().product::<f64>() / 1000.0;
    let classes = statistics["classes"].as_array().unwrap();
    assert_eq!((classes.len(), table.lines().count()), (8, 9));
    for (class, row) in classes.iter().zip(table.lines().skip(1)) {
        let code = class["code"].as_u64().unwrap() as u16;
        let name = class["name"].as_str().unwrap();
        let number = |key: &str| class[key].as_f64();
        let n = expected.get(&code).map_or(0, |(n, ..)| *n);
        assert_eq!(class["n_voxels"].as_u64(), Some(n as u64), "{name}");
        assert!((number("volume_ml").unwrap() - n as f64 * voxel_ml).abs() < 1e-6, "{name}");
        assert_eq!(result["volume_ml"][name], class["volume_ml"], "{name}");
        assert_eq!(class["n_components"].as_u64().unwrap() > 0, n > 0, "{name}");
        if let Some((n, sum, bounds)) = expected.get(&code) {
            assert!((number("mean_intensity").unwrap() - sum / *n as f64).abs() < 1e-3, "{name}");
            let stated: [[usize; 2]; 3] = serde_json::from_value(class["bounding_box_vox"].clone()).unwrap();
            assert_eq!(stated, *bounds, "{name}");
        } else {
            assert!(class["mean_intensity"].is_null() && class["bounding_box_vox"].is_null(), "{name}");
        }
        assert!(row.contains(&format!(",\"{name}\",{code},{n},")), "{row}");
    }

    // The most probable class of each voxel is that of the map.
    let mut bytes = Vec::new();
    let packed = fs::File::open(at("m_probabilities.nii.gz")).unwrap();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    let dim: Vec<i16> = bytes[40..50].chunks(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let n_voxels = map.voxels.len();
    assert_eq!((dim[0], dim[4], dim[1..4].iter().map(|&n| n as usize).product::<usize>()), (4, 9, n_voxels));
    let start = f32::from_le_bytes(bytes[108..112].try_into().unwrap()) as usize;
    let values: Vec<f32> =
        bytes[start..].chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    assert_eq!(values.len(), 9 * n_voxels);
    // In the file the first axis runs fastest.
    let classes: Vec<f32> = map.voxels.t().iter().copied().collect();
    let mut n_agreeing = 0;
    for (voxel, class) in classes.iter().enumerate() {
        let of: Vec<f32> = (0..9).map(|class| values[class * n_voxels + voxel]).collect();
        assert!((of.iter().sum::<f32>() - 1.0).abs() < 1e-3, "{of:?}");
        let best = (0..9).max_by(|&a, &b| of[a].total_cmp(&of[b])).unwrap();
        n_agreeing += usize::from(best as f32 == *class);
    }
    // Between pixels of the network's input probabilities are interpolated, classes are not.
    assert!(n_agreeing * 100 > n_voxels * 95, "{n_agreeing} of {n_voxels}");

    // Where tokens paused lies on the scan; none does where none may.
    let pauses = Scan::read(&at("m_pause_map.nii.gz")).unwrap();
    assert_eq!((pauses.grid.affine, pauses.voxels.dim()), (scan.grid.affine, scan.voxels.dim()));
    let n_paused = pauses.voxels.iter().filter(|&&point| point > 0.0).count();
    assert!(n_paused > 0 && pauses.voxels.iter().all(|point| (0.0..=3.0).contains(point)), "{n_paused}");
    segment("never.nii.gz", &["--pause", "never"]);
    assert!(voxels(&at("never_pause_map.nii.gz")).iter().all(|&point| point == 0.0));

    // The pictures are of this map.
    let [first, other] = ["m_preview.png", "never_preview.png"].map(|name| fs::read(at(name)).unwrap());
    assert!(first.starts_with(b"\x89PNG\r\n\x1a\n") && first.ends_with(b"IEND\xaeB`\x82") && first != other);
    let size = |at: usize| u32::from_be_bytes(first[at..at + 4].try_into().unwrap());
    assert!(size(16) > 100 && size(20) > 100, "{} x {}", size(16), size(20));
    let page = fs::read_to_string(at("m_viewer.html")).unwrap();
    for file in ["s.nii.gz", "m.nii.gz", "m_pause_map.nii.gz"] {
        assert!(page.contains(&base64(&fs::read(at(file)).unwrap())), "{file} is not in the page");
    }
    assert!(!page.contains("src=\"http") && !page.contains("href=\"http"), "the page needs the network");
    let colors = fs::read_to_string(at("m_colors.ctbl")).unwrap();
    let labels = fs::read_to_string(at("m_labels.txt")).unwrap();
    for class in statistics["classes"].as_array().unwrap() {
        let (name, code) = (class["name"].as_str().unwrap(), &class["code"]);
        assert!(
            labels.lines().any(|line| line.trim().starts_with(&code.to_string()) && line.contains(name)),
            "{labels}"
        );
        let slicer = |line: &str| line.starts_with(&format!("{code} ")) && line.replace('_', " ").contains(name);
        assert!(colors.lines().any(slicer), "{colors}");
    }
}

#[test]
fn only_the_largest_component_of_a_class_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let model = checkpoint(folder.path());
    write_scans(folder.path(), &["s.nii.gz"]);
    let segment = |more: &[&str]| {
        let scan = at("s.nii.gz");
        let always = ["segment", text(&scan), "-m", text(&model), "--pause", "never", "--statistics"];
        fastersam(&[&always[..], more].concat())
    };
    let components = |name: &str| -> BTreeMap<String, [u64; 3]> {
        let found: Value = serde_json::from_str(&fs::read_to_string(at(name)).unwrap()).unwrap();
        let of = |class: &Value| ["code", "n_voxels", "n_components"].map(|key| class[key].as_u64().unwrap());
        let classes = found["classes"].as_array().unwrap().iter();
        classes.map(|class| (class["name"].as_str().unwrap().to_owned(), of(class))).collect()
    };
    stdout(&segment(&["-o", text(&at("all.nii.gz"))]));
    let all = components("all_statistics.json");
    let (scattered, of_class) = all.iter().max_by_key(|(_, [.., n])| *n).unwrap();
    let [code, n_voxels, n_components] = *of_class;
    assert!(n_components > 1, "a model that was hardly trained scatters its classes: {all:?}");

    let (kept, largest) = (at("kept.nii.gz"), format!("--keep-largest={scattered}"));
    let result: Value = serde_json::from_str(&stdout(&segment(&["-o", text(&kept), "--json", &largest]))).unwrap();
    let after = components("kept_statistics.json");
    let removed = result["voxels_removed"].as_u64().unwrap();
    assert!(removed > 0);
    assert_eq!(after[scattered], [code, n_voxels - removed, 1]);
    let others = |all: &BTreeMap<String, [u64; 3]>| {
        all.iter().filter(|(name, _)| *name != scattered).map(|(name, of)| (name.clone(), *of)).collect::<Vec<_>>()
    };
    assert_eq!(others(&after), others(&all));
    // What was dropped is background, and nothing else changed.
    for (before, after) in voxels(&at("all.nii.gz")).iter().zip(voxels(&at("kept.nii.gz"))) {
        assert!(*before == after || (*before == code as f32 && after == 0.0), "{before} became {after}");
    }

    let refused = segment(&["-o", text(&at("x.nii.gz")), "--keep-largest=lung"]);
    assert!(
        stderr(&refused).contains("no class `lung`") && stderr(&refused).contains("spleen"),
        "{}",
        stderr(&refused)
    );
    let refused = segment(&["-o", text(&at("x.nii.gz")), "--keep-largest"]);
    assert!(stderr(&refused).contains("fastersam calibrate"), "{}", stderr(&refused));
    assert!(!at("x.nii.gz").exists());
}

/// Bytes as pages hold them.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let all = three.iter().fold(0_u32, |all, &byte| all << 8 | u32::from(byte)) << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = LETTERS[(all >> (18 - 6 * at) & 63) as usize] as char;
            text.push(if at <= three.len() { letter } else { '=' });
        }
    }
    text
}

#[test]
fn fewer_bits_give_nearly_the_same_map_and_the_same_in_any_batch() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let model = checkpoint(folder.path());
    write_scans(&at("scans"), &["a.nii.gz"]);
    let scan = at("scans/a.nii.gz");
    let segment = |name: &str, more: &[&str]| {
        let output = at(name);
        let arguments = ["segment", text(&scan), "-m", text(&model), "-o", text(&output)];
        stdout(&fastersam(&[&arguments[..], more].concat()));
        voxels(&output)
    };
    let expected = segment("f32.nii.gz", &[]);
    for precision in ["bf16", "int8"] {
        let found = segment(&format!("{precision}.nii.gz"), &["--precision", precision]);
        let same = found.iter().zip(&expected).filter(|(a, b)| a == b).count();
        assert!(same as f64 > 0.99 * expected.len() as f64, "{precision}: {same} of {} voxels", expected.len());
        let alone = segment(&format!("{precision}-1.nii.gz"), &["--precision", precision, "--batch-size", "1"]);
        assert!(found == alone, "{precision}: another batch size, another map");
    }
    let refused = fastersam(&["segment", text(&scan), "-m", text(&model), "--precision", "f16"]);
    assert!(!refused.status.success());
    let said = stderr(&refused);
    assert!(said.contains("the device \"flex\" does not compute in f16"), "{said}");
}
