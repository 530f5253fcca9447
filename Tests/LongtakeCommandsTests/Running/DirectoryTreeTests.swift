import Glibc
import LongtakeCore
import Testing

@testable import LongtakeCommands

@Suite("directory tree")
struct DirectoryTreeTests {
    private let stage = CommandStage()
    private var root: String { stage.root + "/tree" }

    private func shell(_ script: String) async {
        mkdir(root, 0o700)
        let launch = ProgramLaunch(
            arguments: ["/bin/sh", "-c", script], environment: ["PATH": "/usr/bin:/bin"], workingDirectory: root,
            confinement: .init(isEnforced: false, readPaths: [], writePaths: []))
        let program = try? await DirectStarter().start(launch)
        _ = await program?.end()
        for pipe in [program?.standardOutput, program?.standardError] { if let pipe { close(pipe) } }
    }

    @Test("removes a deep tree with links, odd names and without permissions, and follows no link")
    func remove() async throws {
        mkdir(stage.root + "/outside", 0o700)
        await shell(
            """
            touch ../outside/kept; ln -s ../outside out; mkfifo fifo; mkdir -p a/b/c locked/in; touch a/b/c/f
            touch "$(printf 'bad\\377name')" locked/in/f; mkdir .removed-1; touch .removed-1/x; chmod 000 locked/in locked
            i=0; d=deep; while [ $i -lt 150 ]; do d=$d/ddddddddddddddddddddddddd; i=$((i+1)); done; mkdir -p $d
            """)
        try DirectoryTree.remove(root)
        #expect(!CommandStage.exists(root))
        #expect(CommandStage.exists(stage.root + "/outside/kept"))
        try DirectoryTree.remove(root)
    }

    @Test("measures blocks, not lengths, and stops at each of its limits")
    func excess() async {
        await shell("mkdir -p a/b; head -c 100000 /dev/zero > a/b/f; truncate -s 1G sparse; ln -s / link")
        #expect(DirectoryTree.excess(of: root, overBytes: 200_000) == nil)
        #expect(DirectoryTree.excess(of: root, overBytes: 90_000) == .bytes)
        #expect(DirectoryTree.excess(of: root, overBytes: 200_000, entries: 3) == .entries)
        #expect(DirectoryTree.excess(of: root + "/none", overBytes: 0) == nil)
    }
}
