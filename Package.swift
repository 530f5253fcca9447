// swift-tools-version: 6.2
import PackageDescription

/// Settings that hold for every target: the language's own checks are on, and a warning is an error.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

/// Debug builds can be made to end at named places, for the tests of what must survive. A release has nothing of it.
let crashPoints: [SwiftSetting] = [.define("LONGTAKE_CRASH_POINTS", .when(configuration: .debug))]

let api: Target.Dependency = "LongtakeAPI"
let core: Target.Dependency = "LongtakeCore"
let testing: Target.Dependency = "LongtakeTesting"
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let driver: Target.Dependency = "LongtakeDaemonDriver"
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let grdbSQLite: Target.Dependency = .product(name: "GRDBSQLite", package: "GRDB.swift")
let histogram: Target.Dependency = .product(name: "Histogram", package: "hdrhistogram-swift")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let httpTypes: Target.Dependency = .product(name: "HTTPTypes", package: "swift-http-types")
let httpTypesHTTP1: Target.Dependency = .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras")
let storage: Target.Dependency = "LongtakeStorage"
let structuredFields: Target.Dependency = .product(
    name: "RawStructuredFieldValues", package: "swift-http-structured-headers")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")

// The import arrows, one line a module. The picture and the reason for each arrow: docs/architecture.md.
let package = Package(
    name: "longtake",
    products: [
        .executable(name: "longtake", targets: ["longtake"]),
        // Loaded by the tests of faults into the daemons that they start; no part of the product.
        .library(name: "LongtakeFaultShim", type: .dynamic, targets: ["LongtakeFaultShim"]),
        // For the packages in Spikes/, which try what the product does not do yet.
        .library(name: "LongtakeCore", targets: ["LongtakeCore"]),
        .library(name: "LongtakeTesting", targets: ["LongtakeTesting"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-structured-headers", from: "1.7.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        .target(name: "LongtakeCore", swiftSettings: strict),
        .target(name: "LongtakeAPI", dependencies: [core], swiftSettings: strict),
        .target(name: "LongtakeStorage", dependencies: [core], swiftSettings: strict),
        .target(
            name: "LongtakeSQLite", dependencies: [core, storage, grdb, grdbSQLite, logging],
            swiftSettings: strict + crashPoints),
        // Content by its hash, in a directory.
        .target(name: "LongtakeFiles", dependencies: [core, crypto, logging], swiftSettings: strict),
        // fork, Landlock and what else a process needs between fork and exec, where Swift cannot run.
        .target(name: "CLongtakeProcess"),
        .target(
            name: "LongtakeCommands", dependencies: [core, "CLongtakeProcess", logging], swiftSettings: strict),
        .target(name: "LongtakeEngine", dependencies: [core, logging], swiftSettings: strict),
        .target(name: "LongtakeStream", dependencies: [api, core, logging, nioCore], swiftSettings: strict),
        .target(
            name: "LongtakeHTTP",
            dependencies: [
                api, core, "LongtakeStream", crypto, hummingbird, httpTypes, httpTypesHTTP1, logging, nioCore, nioHTTP1,
                nioPosix, structuredFields,
            ],
            resources: [.embedInCode("OpenAPI/openapi.json"), .embedInCode("Home/home.html")],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "longtake",
            dependencies: [
                core, "LongtakeSQLite", "LongtakeEngine", "LongtakeFiles", "LongtakeCommands", "LongtakeHTTP",
                "LongtakeStream", argumentParser, logging, nioCore, nioPosix, yams,
            ],
            resources: [.embedInCode("pipelines.yaml")],
            swiftSettings: strict
        ),
        // The load driver. No product ships it.
        .executableTarget(
            name: "longtake-bench",
            dependencies: [api, core, "LongtakeSQLite", argumentParser, grdb, histogram, logging, nioCore, nioPosix],
            path: "Benchmarks/LongtakeBench",
            swiftSettings: strict
        ),

        // Test support: the in-memory journal, the conformance suite, gates and the manual clock. No product ships it.
        .target(
            name: "LongtakeTesting", dependencies: [core, crypto], path: "Tests/LongtakeTesting", swiftSettings: strict),

        // Test support: real daemons with their load and their readers, and a shim that is loaded into them to make their disk and
        // their clock fail.
        .target(
            name: "LongtakeDaemonDriver", dependencies: [grdb], path: "Tests/LongtakeDaemonDriver",
            swiftSettings: strict),
        .target(name: "LongtakeFaultShim", path: "Tests/LongtakeFaultShim"),

        .testTarget(name: "LongtakeAPITests", dependencies: [api, core], swiftSettings: strict),
        .testTarget(name: "LongtakeCoreTests", dependencies: [core, testing], swiftSettings: strict),
        .testTarget(name: "LongtakeStorageTests", dependencies: [core, storage], swiftSettings: strict),
        .testTarget(
            name: "LongtakeSQLiteTests",
            dependencies: [core, storage, testing, "LongtakeSQLite", grdb, grdbSQLite, logging],
            swiftSettings: strict),
        .testTarget(
            name: "LongtakeFilesTests", dependencies: [core, testing, "LongtakeFiles", logging], swiftSettings: strict),
        .testTarget(
            name: "LongtakeCommandsTests",
            dependencies: [core, testing, "LongtakeCommands", "LongtakeFiles", logging, "longtake"],
            swiftSettings: strict),
        .testTarget(
            name: "LongtakeEngineTests", dependencies: [core, testing, "LongtakeEngine", logging], swiftSettings: strict
        ),
        .testTarget(
            name: "LongtakeStreamTests",
            dependencies: [api, core, testing, "LongtakeStream", logging, nioCore, nioEmbedded],
            swiftSettings: strict
        ),
        .testTarget(
            name: "LongtakeHTTPTests",
            dependencies: [
                api, core, testing, driver, "LongtakeHTTP", "LongtakeStream", httpTypes, hummingbird, logging, nioCore,
                nioEmbedded, nioHTTP1, nioPosix,
            ],
            swiftSettings: strict),
        // The routes, on the parts of the daemon over the memory store, in the process of the tests.
        .testTarget(
            name: "LongtakeRouteTests",
            dependencies: [
                core, testing, driver, "LongtakeEngine", "LongtakeHTTP", "longtake", argumentParser, logging, nioCore,
                nioPosix,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "LongtakeBenchTests", dependencies: [core, "longtake-bench", nioCore, nioEmbedded],
            swiftSettings: strict),
        // Seeded schedules of the engine and the fan-out, in a process of its own (fault F15). No product ships it.
        .executableTarget(
            name: "longtake-simulation",
            dependencies: [
                core, storage, testing, "LongtakeEngine", "LongtakeStream", argumentParser, logging, nioCore,
            ],
            path: "Tests/LongtakeSimulation", swiftSettings: strict),
        .testTarget(
            name: "LongtakeSimulationTests", dependencies: ["longtake-simulation"], exclude: ["seeds.txt"],
            swiftSettings: strict),
        .testTarget(
            name: "LongtakeDaemonTests", dependencies: [core, driver, "longtake", argumentParser, grdb],
            swiftSettings: strict),
        .testTarget(
            name: "LongtakeFaultTests", dependencies: [driver, grdb, "longtake"],
            swiftSettings: strict),
        .testTarget(name: "StyleTests", swiftSettings: strict),
    ]
)
