import LongtakeFiles
import LongtakeSQLite

/// The result of `longtake check --data`: the database and the content of files.
struct CheckResult: Encodable {
    let database: StorageInspection
    /// `nil` if the rows about content could not be read.
    let content: ContentInspection?

    var isSound: Bool { database.isSound && content?.isSound ?? true }

    private enum CodingKeys: String, CodingKey { case content }

    /// The members of the database, and `content`.
    func encode(to encoder: any Encoder) throws {
        try database.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(content, forKey: .content)
    }

    var text: String {
        let report = InspectionReport(database).text
        return content.map { report + "\n" + ContentReport($0).text } ?? report
    }
}

/// Formats the comparison of stored content with its rows.
struct ContentReport {
    private let inspection: ContentInspection

    init(_ inspection: ContentInspection) { self.inspection = inspection }

    /// The maximum number of faults of one kind in the text. `--json` prints more.
    private static let shown = 10

    var text: String {
        var lines = [
            "files             \(inspection.files), \(inspection.bytes) bytes",
            "orphans           \(inspection.orphans), \(inspection.orphanBytes) bytes: no row refers to them, and the daemon removes them after its start",
        ]
        lines += ContentInspection.Fault.allCases.map(verdict)
        for fault in ContentInspection.Fault.allCases where count(of: fault) > 0 { lines += [""] + findings(of: fault) }
        let depth = inspection.isDeep ? "" : " The content was not read; --deep reads and hashes it."
        lines += [
            "",
            inspection.isSound
                ? "No errors found in files.\(depth)" : "\(inspection.faultCount) errors found in files.\(depth)",
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    private func count(of fault: ContentInspection.Fault) -> Int { inspection.counts[fault.rawValue] ?? 0 }

    private func verdict(_ fault: ContentInspection.Fault) -> String {
        let count = count(of: fault)
        let verdict = count > 0 ? "\(count) files" : fault == .damaged && !inspection.isDeep ? "not checked" : "none"
        return "\(fault.rawValue.padded(to: 17)) \(verdict.padded(to: 16)) \(fault.sentence)"
    }

    private func findings(of fault: ContentInspection.Fault) -> [String] {
        let found = inspection.findings.filter { $0.fault == fault }.prefix(Self.shown)
        var lines = ["\(fault.rawValue):"]
        lines += found.map { "  sha-256:\($0.sha256) of tenant \($0.tenant) \($0.detail)" }
        let left = count(of: fault) - found.count
        if left > 0 { lines.append("  and \(left) more") }
        return lines + ["  \(fault.remedy)"]
    }
}

extension ContentInspection.Fault {
    fileprivate var sentence: String {
        switch self {
        case .missing: "rows refer to content that is not stored"
        case .wrongSize: "stored content has another size than its rows"
        case .damaged: "stored content has other bytes than its hash"
        }
    }

    fileprivate var remedy: String {
        switch self {
        case .missing:
            "Clients get 404 artifact-gone. After a restore of a backup without files this is expected. Otherwise check the disk, and restore a backup with files."
        case .wrongSize, .damaged:
            "Check the disk, and restore a backup with files. A client that uploads such a file again replaces it if its size differs."
        }
    }
}
