"""What real API servers said, and the recorder that asks one again.

rest.json, uids-*.json       REST exchanges, in the order in which they were sent
exec-v4.json, exec-v5.json   exec and port-forward over WebSocket; in trust-*.json the kubelet is killed meanwhile
crds.yaml                    the definitions that the recorded servers served

record                       the recorder's command line: start reading here to record from another server
cluster                      what requests presuppose: definitions, a namespace, a pod; made before, deleted after
restrecorder                 sends recorded REST requests again
execrecorder                 opens recorded exec and port-forward sessions again
translation                  what the recorded server said, in terms of the one that is asked now
recordedworld                which objects the recorded server had at each moment
recording                    the format of REST recordings
peer                         plain HTTP and WebSocket to the server
websocket                    a WebSocket client that hides nothing
"""
