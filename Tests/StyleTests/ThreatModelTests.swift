import FoundationEssentials
import Testing

/// `docs/threat-model.md` names a test for each threat.
@Suite struct ThreatModelTests {
    @Test("each test that the threat model names is there")
    func tests() throws {
        let text = try String(contentsOfFile: SourceFile.root + "/docs/threat-model.md", encoding: .utf8)
        let names = text.split(separator: "`").filter { name in
            (name.hasSuffix("Tests") || name == "JournalConformance" || name == "ClaimWatch")
                && name.allSatisfy(\.isLetter)
        }
        #expect(names.count > 15)
        for name in Set(names) {
            #expect(
                SourceFile.all.contains { $0.path.hasPrefix("Tests/") && $0.path.hasSuffix("/\(name).swift") },
                "\(name)")
        }
    }
}
