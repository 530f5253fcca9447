import Glibc

/// The paths that the operator allows to commands, checked against the directory of the daemon's
/// data.
///
/// Landlock cannot take a directory out of one that it allows. So a path that contains the data
/// directory must be refused.
package enum ConfinementPaths {
    /// A path that would let a command see the daemon's data. The text is for the operator.
    package struct Conflict: Error, Hashable, CustomStringConvertible {
        package let description: String
    }

    /// Checks the paths of a stage, and those that every command may read.
    /// - Throws: ``Conflict`` for the first path that is not absolute, contains the data directory
    ///   or lies in it.
    package static func check(
        readPaths: [String], writePaths: [String], dataDirectory: String
    ) throws(Conflict) {
        let data = resolve(dataDirectory)
        for path in ConfinementRules.systemPaths where contains(resolve(path), data) {
            throw Conflict(
                description: "the data directory \(dataDirectory) is in \(path), which every command may read. "
                    + "Choose another data directory")
        }
        for (key, path) in readPaths.map({ ("read_paths", $0) }) + writePaths.map({ ("write_paths", $0) }) {
            guard path.hasPrefix("/") else { throw Conflict(description: "\(key): \(path) is not absolute") }
            let real = resolve(path)
            guard !contains(real, data), !contains(data, real) else {
                throw Conflict(
                    description: "\(key): \(path) would give commands access to the data directory \(dataDirectory). "
                        + "Name a directory that neither contains it nor lies in it")
            }
        }
    }

    private static func contains(_ parent: [Substring], _ child: [Substring]) -> Bool { child.starts(with: parent) }

    /// The parts of a path, without symbolic links as far as it exists.
    private static func resolve(_ path: String) -> [Substring] {
        var rest: [Substring] = []
        var parts = path.split(separator: "/").filter { $0 != "." }
        while true {
            let prefix = (path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
            if let real = realpath(prefix.isEmpty ? "." : prefix, nil) {
                defer { free(real) }
                // What does not exist has no links, so `..` removes the name before it.
                return rest.reduce(into: String(cString: real).split(separator: "/")) { path, part in
                    if part == ".." { _ = path.popLast() } else { path.append(part) }
                }
            }
            guard let last = parts.popLast() else { return rest }
            rest.insert(last, at: 0)
        }
    }
}
