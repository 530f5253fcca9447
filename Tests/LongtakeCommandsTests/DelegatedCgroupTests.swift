import Foundation
import Testing

@testable import LongtakeCommands

@Suite("the delegated cgroup")
struct DelegatedCgroupTests {
    private let root = FileManager.default.temporaryDirectory.path + "/longtake-cgroup-\(UUID())"

    private func path(_ membership: String, files: [String]) throws -> String? {
        defer { try? FileManager.default.removeItem(atPath: root) }
        try FileManager.default.createDirectory(atPath: root + "/service", withIntermediateDirectories: true)
        for name in files { try Data().write(to: URL(filePath: "\(root)/service/\(name)")) }
        try Data(membership.utf8).write(to: URL(filePath: root + "/membership"))
        return DelegatedCgroup.path(membership: root + "/membership", mount: root)
    }

    @Test("is that of the line of cgroup v2")
    func found() throws {
        #expect(try path("5:pids:/x\n0::/service\n", files: ["cgroup.kill", "cgroup.procs"]) == root + "/service")
    }

    @Test("is none in the root cgroup, without cgroup v2, or if it is not delegated")
    func none() throws {
        #expect(try path("0::/\n", files: []) == nil)
        #expect(try path("5:pids:/service\n", files: ["cgroup.kill", "cgroup.procs"]) == nil)
        #expect(try path("0::/service\n", files: ["cgroup.procs"]) == nil)
    }
}
