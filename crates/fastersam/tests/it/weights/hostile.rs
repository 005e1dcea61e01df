//! Files that were made to do harm: a typed error in bounded memory, nothing run, never a panic.

use std::path::{Path, PathBuf};
use std::process::Command;

use burn::tensor::Device;
use fastersam::weights::{LoadOptions, WeightError, WeightFile, load_into};

use super::files::{
    Entry, Folder, Stored, compressed, counting, legacy_start, pickled_tensor, pytorch_with_view, safetensors,
    with_header,
};
use super::loading::{sam_config, sam_entries};

/// Tells the child process which file to open.
const FILE: &str = "FASTERSAM_TEST_HOSTILE_FILE";
/// Tells it what the error must say.
const REASON: &str = "FASTERSAM_TEST_HOSTILE_REASON";
/// Address space of the child, KiB. The process itself takes less than a third.
const LIMIT_KIB: u64 = 1_500_000;
const MIB: usize = 1 << 20;

/// A checkpoint that is all pickle: `n` times the same instruction, between start and end.
fn repeated(instruction: &[u8], n: usize) -> Vec<u8> {
    [b"\x80\x02", &instruction.repeat(n)[..], b"."].concat()
}

/// Every file with a part of the message that it must give.
fn corpus() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let flat = |pickle: Vec<u8>| compressed(&pickle, &[]);
    let memo_bomb = || {
        // A list of two of the last list, thirty times over.
        let mut pickle = b"\x80\x02]q\x00".to_vec();
        for i in 0..30_u8 {
            pickle.extend([b']', b'(', b'h', i, b'h', i, b'e', b'q', i + 1]);
        }
        pickle.push(b'.');
        pickle
    };
    let mut tar = b"./sys_info".to_vec();
    tar.resize(257, 0);
    tar.extend(b"ustar\x00");
    tar.resize(2048, 0);
    let mut disguised_tar = b"\x80\x02}.".to_vec();
    disguised_tar.extend(&tar[4..]);
    let command = b"\x80\x02cposix\nsystem\n(X\x16\x00\x00\x00touch HOSTILE_CODE_RANtR.".to_vec();
    let old = |pickle: Vec<u8>| [legacy_start(), pickle].concat();
    let header = |text: String| with_header(&text, &[]);
    vec![
        // Compressed to a thousandth of what they hold.
        ("nothing.pth", flat(repeated(b"N", 64 * MIB)), "its pickle has more than"),
        ("strings.pth", flat(repeated(b"X\x00\x00\x00\x00", 16 * MIB)), "its pickle has more than"),
        ("lists.pth", flat(repeated(b"]", 4 * MIB - 16)), "found list"),
        ("marks.pth", flat(repeated(b"(", 4 * MIB - 16)), ""),
        ("deep.pth", flat([b"\x80\x02", &b"]".repeat(MIB)[..], &b"a".repeat(MIB - 1), b"."].concat()), "nesting"),
        ("memo.pth", flat(memo_bomb()), "bomb"),
        ("string_4gb.pth", flat(b"\x80\x02X\xff\xff\xff\xff.".to_vec()), "truncated or damaged"),
        ("members.pth", compressed(b"\x80\x02}.", &[("archive/data/0", 300 << 20)]), "no tensor"),
        // The form before PyTorch 1.6, and plain pickles.
        ("old_nothing.pth", old(repeated(b"N", 8 * MIB)), "its pickle has more than"),
        ("old_string.pth", old(b"\x80\x02X\xff\xff\xff\xff.".to_vec()), "truncated or damaged"),
        ("old_endless.pth", old(repeated(b"N", 2 * MIB)), "storage key list"),
        ("old_long.pth", old(b"\x80\x02\x8b\xff\xff\xff\x7f.".to_vec()), "truncated or damaged"),
        ("old_line.pth", old(repeated(b"c", 8 * MIB)), "its pickle has more than"),
        ("old_unknown.pth", old(b"\x80\x02\xff.".to_vec()), "no instruction"),
        ("old_command.pth", old(command.clone()), "truncated or damaged"),
        ("plain.pth", repeated(b"N", 8 * MIB), "plain pickle"),
        // No tensors, or none that can be.
        ("dictionary.pth", flat(b"\x80\x02}(X\x01\x00\x00\x00aK\x01u.".to_vec()), "no tensor"),
        ("command.pth", flat(command.clone()), "found posix.system"),
        ("plain_command.pth", command, "plain pickle"),
        (
            "huge.pth",
            flat(pickled_tensor("a", 1 << 40, &[1 << 20, 1 << 20], &[1 << 20, 1])),
            "truncated or damaged",
        ),
        ("overflow.pth", flat(pickled_tensor("a", 8, &[1 << 62, 8], &[0, 0])), "truncated or damaged"),
        ("beyond.pth", flat(pickled_tensor("a", 8, &[16], &[1])), "truncated or damaged"),
        ("old.tar.pth", tar, "TAR archive"),
        ("disguised.tar.pth", disguised_tar, "TAR archive"),
        // Safetensors.
        ("header.safetensors", [vec![0xff; 8], b"{".to_vec()].concat(), "header"),
        ("long.safetensors", [(16_u64 << 20).to_le_bytes().to_vec(), b"{".to_vec()].concat(), "header"),
        ("deep.safetensors", header("{\"a\":".repeat(100_000)), "header"),
        ("array.safetensors", header(format!("{{\"a\":[{}0]}}", "0,".repeat(3 * MIB))), "entry a"),
        (
            "terabytes.safetensors",
            header(r#"{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}"#.to_owned()),
            "ends at byte",
        ),
        (
            "wrapping.safetensors",
            header(r#"{"a":{"dtype":"F32","shape":[4611686018427387905,4],"data_offsets":[0,16]}}"#.to_owned()),
            "",
        ),
    ]
}

/// What opening a file must come to: an error of the file's own, which names it and the reason.
fn open_hostile(path: &Path, reason: &str) {
    let error = WeightFile::open(path).unwrap_err();
    let text = error.to_string();
    let is_typed = matches!(error, WeightError::Damaged { .. } | WeightError::NotACheckpoint { .. });
    assert!(is_typed && text.contains(path.file_name().unwrap().to_str().unwrap()), "{text}");
    assert!(text.contains(reason), "{reason:?} in {text}");
}

/// Each file is opened by this very test in a child process whose memory is limited.
#[test]
fn hostile_files_get_typed_errors_in_bounded_memory() {
    if let Some(path) = std::env::var_os(FILE) {
        return open_hostile(&PathBuf::from(path), &std::env::var(REASON).unwrap());
    }
    let folder = Folder::new();
    let mut failures = Vec::new();
    for (name, bytes, reason) in corpus() {
        let path = folder.write(name, &bytes);
        let output = child("hostile_files_get_typed_errors_in_bounded_memory", &path, reason, folder.path());
        if !output.status.success() {
            failures.push(format!("{name}: {}", String::from_utf8_lossy(&output.stdout)));
        }
        assert!(!folder.path().join("HOSTILE_CODE_RAN").exists(), "{name} was run");
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Runs a test of this file again in a child process with limited memory.
fn child(test: &str, path: &Path, reason: &str, folder: &Path) -> std::process::Output {
    let name = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
    let exe = std::env::current_exe().unwrap();
    let mut command = if cfg!(target_os = "linux") {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("ulimit -v {LIMIT_KIB} && exec \"$0\" \"$@\"")).arg(exe);
        command
    } else {
        Command::new(exe)
    };
    // The harness catches panics, but not an allocation that fails.
    command.args([name.as_str(), "--exact", "--test-threads=1"]).env(FILE, path);
    command.env(REASON, reason).current_dir(folder);
    command.output().unwrap()
}

/// The encoder's entries with one tensor in place of another.
fn with(key: &str, replacement: Entry) -> Vec<Entry> {
    sam_entries().into_iter().map(|e| if e.key == key { replacement.clone() } else { e }).collect()
}

#[test]
fn a_table_that_claims_gigabytes_is_refused_before_it_is_read() {
    if let Some(path) = std::env::var_os(FILE) {
        // One value, which strides of zero repeat for the whole table: 6.4 GB out of four bytes.
        let file = WeightFile::open(&PathBuf::from(path)).unwrap();
        let options = LoadOptions::part("encoder");
        let error = load_into(sam_config(64).init(&Device::flex()), &file, &options).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, WeightError::Shape { .. }), "{text}");
        assert!(text.contains("pos_embed") && text.contains("10000") && text.contains("1 to 256"), "{text}");
        return;
    }
    let folder = Folder::new();
    let bytes = pytorch_with_view(&sam_entries(), "image_encoder.pos_embed", &[1, 10_000, 10_000, 16]);
    let path = folder.write("table.pth", &bytes);
    let output = child("a_table_that_claims_gigabytes_is_refused_before_it_is_read", &path, "", folder.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_storage_that_unpacks_to_gigabytes_costs_what_its_tensor_needs() {
    if let Some(path) = std::env::var_os(FILE) {
        let file = WeightFile::open(&PathBuf::from(path)).unwrap();
        assert_eq!(file.read("a").unwrap(), [0.0; 4]);
        return;
    }
    let folder = Folder::new();
    let pickle = pickled_tensor("a", 4, &[4], &[1]);
    let path = folder.write("storage.pth", &compressed(&pickle, &[("archive/data/0", 2 << 30)]));
    let output =
        child("a_storage_that_unpacks_to_gigabytes_costs_what_its_tensor_needs", &path, "", folder.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_wrong_file_names_key_and_shapes_at_every_tensor() {
    let folder = Folder::new();
    for Entry { key, shape, .. } in sam_entries() {
        let mut wrong = shape.clone();
        *wrong.last_mut().unwrap() += 1;
        let bytes = safetensors(&with(&key, counting(&key, &wrong)), Stored::F32);
        let file = WeightFile::open(&folder.write("wrong.safetensors", &bytes)).unwrap();
        let options = LoadOptions::part("encoder");
        let error = load_into(sam_config(64).init(&Device::flex()), &file, &options).unwrap_err();
        let text = error.to_string();
        let WeightError::Shape { key: named, expected, found, .. } = error else { panic!("{key}: {text}") };
        assert_eq!((named, found), (key.clone(), wrong), "{text}");
        let width = shape.last().unwrap().to_string();
        assert!(expected.contains(&width), "{key}: {text}");
        assert!(text.contains("wrong.safetensors") && text.contains(&key), "{text}");
    }
}
