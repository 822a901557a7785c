// The gRPC peer's server: checks of 16-byte keys from a flat table, with gRPC's asynchronous interface on one thread.
//
//   grpc-server RECIPIENTS      prints `listening on 127.0.0.1:PORT` when it serves, and ends with a signal
//
// Messages live on arenas that calls reuse. Invariant: a call stands in one place of memory from its request to its
// answer, and exactly `kWaiting` calls of each kind wait for a request at any time.

#include <google/protobuf/arena.h>
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>

#include "check.grpc.pb.h"
#include "table.h"

namespace {

using bench::Key;
using bench::Table;
using Service = consent::bench::Consents::AsyncService;
using grpc::ServerCompletionQueue;

constexpr int kWaiting = 256;
constexpr size_t kArenaBytes = 256 * 1024;
constexpr int kAhead = 8;  // keys of a batch whose slots are on their way from memory

void answer(const Table& table, const consent::bench::CheckRequest& request, consent::bench::CheckResponse* response) {
  if (request.key().size() != sizeof(Key)) return response->set_reason(bench::kNoRecord);
  const uint8_t reason = table.reason(Key::read(request.key().data()), request.purpose());
  response->set_reason(reason);
  response->set_allow(reason < 16);
}

/// Keys in a field each: the table as one would write it.
void answer(const Table& table, const consent::bench::CheckBatchRequest& request,
            google::protobuf::RepeatedField<uint32_t>* reasons) {
  for (const std::string& key : request.keys()) {
    const bool isKey = key.size() == sizeof(Key);
    reasons->AddAlreadyReserved(isKey ? table.reason(Key::read(key.data()), request.purpose()) : bench::kNoRecord);
  }
}

/// Keys in one field: all that can be had, with the slots of the next keys on their way from memory.
void answerPacked(const Table& table, const consent::bench::CheckBatchRequest& request, int count,
                  google::protobuf::RepeatedField<uint32_t>* reasons) {
  const auto key = [&](int n) { return Key::read(request.packed_keys().data() + n * sizeof(Key)); };
  for (int n = 0; n < count && n < kAhead; n++) table.prefetch(key(n));
  for (int n = 0; n < count; n++) {
    if (n + kAhead < count) table.prefetch(key(n + kAhead));
    reasons->AddAlreadyReserved(table.reason(key(n), request.purpose()));
  }
}

void answer(const Table& table, const consent::bench::CheckBatchRequest& request,
            consent::bench::CheckBatchResponse* response) {
  const int packed = int(request.packed_keys().size() / sizeof(Key));
  response->mutable_reasons()->Reserve(packed + request.keys_size());
  answerPacked(table, request, packed, response->mutable_reasons());
  answer(table, request, response->mutable_reasons());
}

struct Call {
  virtual ~Call() = default;
  /// What the completion queue calls: the request has come, or the answer has left.
  virtual void proceed(bool ok) = 0;
};

template <typename Request, typename Response, auto Accept>
class UnaryCall final : public Call {
 public:
  UnaryCall(const Table& table, Service& service, ServerCompletionQueue& queue)
      : table_(table), service_(service), queue_(queue), block_(new char[kArenaBytes]) {
    accept();
  }

  void proceed(bool ok) override {
    if (isAnswered_) return accept();
    if (!ok) return;  // the server is shutting down
    isAnswered_ = true;
    answer(table_, *request_, response_);
    exchange_->responder.Finish(*response_, grpc::Status::OK, this);
  }

 private:
  // gRPC's own objects serve one call, so they are made anew for each, in the same place.
  struct Exchange {
    grpc::ServerContext context;
    grpc::ServerAsyncResponseWriter<Response> responder{&context};
  };

  void accept() {
    isAnswered_ = false;
    exchange_.reset();
    arena_.reset();
    google::protobuf::ArenaOptions options;
    options.initial_block = block_.get();
    options.initial_block_size = kArenaBytes;
    arena_.emplace(options);
    request_ = google::protobuf::Arena::CreateMessage<Request>(&*arena_);
    response_ = google::protobuf::Arena::CreateMessage<Response>(&*arena_);
    exchange_.emplace();
    (service_.*Accept)(&exchange_->context, request_, &exchange_->responder, &queue_, &queue_, this);
  }

  const Table& table_;
  Service& service_;
  ServerCompletionQueue& queue_;
  std::unique_ptr<char[]> block_;
  std::optional<google::protobuf::Arena> arena_;
  std::optional<Exchange> exchange_;
  Request* request_ = nullptr;
  Response* response_ = nullptr;
  bool isAnswered_ = false;
};

using CheckCall =
    UnaryCall<consent::bench::CheckRequest, consent::bench::CheckResponse, &Service::RequestCheck>;
using CheckBatchCall =
    UnaryCall<consent::bench::CheckBatchRequest, consent::bench::CheckBatchResponse, &Service::RequestCheckBatch>;

}  // namespace

int main(int argc, char** argv) {
  const long recipients = argc == 2 ? std::atol(argv[1]) : 0;
  if (recipients <= 0) {
    std::fprintf(stderr, "usage: grpc-server RECIPIENTS\n");
    return 64;
  }
  const Table table(recipients);
  Service service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  builder.SetMaxReceiveMessageSize(16 << 20);
  const std::unique_ptr<ServerCompletionQueue> queue = builder.AddCompletionQueue();
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server) {
    std::fprintf(stderr, "error: gRPC could not listen on 127.0.0.1\n");
    return 69;
  }
  std::vector<std::unique_ptr<Call>> calls;
  for (int n = 0; n < kWaiting; n++) {
    calls.push_back(std::make_unique<CheckCall>(table, service, *queue));
    calls.push_back(std::make_unique<CheckBatchCall>(table, service, *queue));
  }
  std::printf("listening on 127.0.0.1:%d\n", port);
  std::fflush(stdout);
  void* tag;
  bool ok;
  while (queue->Next(&tag, &ok)) static_cast<Call*>(tag)->proceed(ok);
}
