//! Circles of more than two files that import each other, inside a crate.

use super::imports::{Imports, graph};
use super::tree::{Finding, Tree};

/// Checks every crate.
pub fn check(tree: &Tree, folders: &[String]) -> Vec<Finding> {
    folders.iter().flat_map(|folder| check_crate(tree, folder)).collect()
}

fn check_crate(tree: &Tree, folder: &str) -> Vec<Finding> {
    let (files, graph) = graph(tree, folder);
    let circles = components(&graph).into_iter().filter(|members| members.len() > 2);
    circles.map(|members| finding(&files, &graph, &members)).collect()
}

fn finding(files: &[String], graph: &[Imports], members: &[usize]) -> Finding {
    let circle = shortest_circle(graph, members);
    let src = files[circle[0]].rfind("/src/").map_or(0, |at| at + 5);
    let name = |at: usize| &files[at][src..];
    let steps = circle.iter().zip(circle.iter().cycle().skip(1));
    let drawn: Vec<String> = steps.map(|(&from, to)| format!("{}:{} ->", name(from), graph[from][to])).collect();
    let text = format!(
        "{} files import each other: {} {}; move what they share into a file below them",
        members.len(),
        drawn.join(" "),
        name(circle[0]),
    );
    let others: Vec<&str> = members.iter().filter(|at| !circle.contains(at)).map(|&at| name(at)).collect();
    let text = if others.is_empty() { text } else { format!("{text} (also in it: {})", others.join(", ")) };
    Finding::new(&files[circle[0]], graph[circle[0]][&circle[1]], text)
}

/// The strongly connected components, by Tarjan's algorithm.
fn components(graph: &[Imports]) -> Vec<Vec<usize>> {
    struct Search<'a> {
        graph: &'a [Imports],
        number: Vec<Option<usize>>,
        lowest: Vec<usize>,
        stack: Vec<usize>,
        n_numbered: usize,
        found: Vec<Vec<usize>>,
    }
    impl Search<'_> {
        fn visit(&mut self, at: usize) {
            self.number[at] = Some(self.n_numbered);
            self.lowest[at] = self.n_numbered;
            self.n_numbered += 1;
            self.stack.push(at);
            for &next in self.graph[at].keys() {
                match self.number[next] {
                    None => {
                        self.visit(next);
                        self.lowest[at] = self.lowest[at].min(self.lowest[next]);
                    }
                    Some(number) if self.stack.contains(&next) => self.lowest[at] = self.lowest[at].min(number),
                    Some(_) => {}
                }
            }
            if self.number[at] == Some(self.lowest[at])
                && let Some(place) = self.stack.iter().position(|&on| on == at)
            {
                self.found.push(self.stack.split_off(place));
            }
        }
    }
    let n = graph.len();
    let mut search = Search {
        graph,
        number: vec![None; n],
        lowest: vec![0; n],
        stack: Vec::new(),
        n_numbered: 0,
        found: Vec::new(),
    };
    for at in 0..n {
        if search.number[at].is_none() {
            search.visit(at);
        }
    }
    search.found
}

/// The shortest circle of more than two files among these; where there are circles of two only, one of those.
fn shortest_circle(graph: &[Imports], files: &[usize]) -> Vec<usize> {
    let mut best: Option<Vec<usize>> = None;
    for &start in files {
        let mut paths = vec![vec![start]];
        while let Some(path) = (!paths.is_empty()).then(|| paths.remove(0)) {
            if best.as_ref().is_some_and(|best| path.len() >= best.len() && best.len() > 2) {
                break;
            }
            let Some(last) = path.last() else { break };
            for &next in graph[*last].keys().filter(|next| files.contains(next)) {
                let is_shorter = best.as_ref().is_none_or(|best| best.len() == 2 || path.len() < best.len());
                if next == start && (path.len() > 2 || best.is_none()) && is_shorter {
                    best = Some(path.clone());
                } else if !path.contains(&next) && path.len() < 6 {
                    paths.push([path.as_slice(), &[next]].concat());
                }
            }
        }
    }
    best.unwrap_or_else(|| files.to_vec())
}

#[cfg(test)]
mod tests {
    use super::super::tree::lines;
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<(String, &str)> =
            files.iter().map(|(file, text)| (format!("crates/x/src/{file}"), *text)).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(file, text)| (file.as_str(), *text)).collect();
        lines(&check(&Tree::of(&files), &["crates/x".to_owned()]))
    }

    #[test]
    fn a_circle_of_three_is_drawn() {
        let found = found(&[
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::B;\npub struct A;"),
            ("b.rs", "\nuse super::c::{self, d};\npub struct B; fn f() { c::d() }"),
            ("c.rs", "pub fn d() { crate::a::A; }"),
        ]);
        assert_eq!(
            found,
            ["crates/x/src/a.rs:1: 3 files import each other: a.rs:1 -> b.rs:2 -> c.rs:1 -> a.rs; \
             move what they share into a file below them"]
        );
    }

    #[test]
    fn two_files_may_import_each_other() {
        let a = ("a.rs", "use crate::b::B; pub struct A;");
        assert_eq!(found(&[("lib.rs", "mod a; mod b;"), a, ("b.rs", "use crate::a::A; pub struct B;")]), [""; 0]);
    }

    #[test]
    fn re_exports_are_followed_and_are_no_imports() {
        // By way of the root, every file would be in one circle.
        let lib = ("lib.rs", "mod a; mod b; mod c; pub use a::A; pub use b::B; pub use c::*;");
        let straight = [
            lib,
            ("a.rs", "use crate::B; pub struct A;"),
            ("b.rs", "use crate::C; pub struct B;"),
            ("c.rs", "pub struct C;"),
        ];
        assert_eq!(found(&straight), [""; 0]);
        let mut round = straight;
        round[3].1 = "use super::A; pub struct C;";
        assert_eq!(found(&round).len(), 1);
    }

    #[test]
    fn tests_and_modules_inside_a_file_do_not_count() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "pub struct A; mod inner { use super::A; } fn f() { crate::b::g() }"),
            ("b.rs", "pub fn g() { crate::c::h() }"),
            ("c.rs", "pub fn h() {} #[cfg(test)] mod tests { use crate::a::A; } // crate::a::A"),
        ];
        assert_eq!(found(&files), [""; 0]);
    }

    #[test]
    fn a_parent_and_its_children_are_files_like_others() {
        let found = found(&[
            ("lib.rs", "mod p;"),
            ("p/mod.rs", "mod a; mod b; pub struct P; pub fn f() { a::g() }"),
            ("p/a.rs", "use super::b::H; pub fn g() {}"),
            ("p/b.rs", "use super::P; pub struct H;"),
        ]);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("p/a.rs:1 -> p/b.rs:1 -> p/mod.rs:1 -> p/a.rs"), "{found:?}");
    }
}
