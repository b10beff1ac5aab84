#!/bin/bash

echo "### 1 min job start"
echo "###"
echo "### START DATE=$(date)"
echo "### HOSTNAME=$(hostname)"
echo "### CUDA_VISIBLE_DEVICES=$CUDA_VISIBLE_DEVICES"
echo "###"
echo "### sleep 1min..."
sleep "${ONE_MINUTE:-60}"
echo "###"
echo "### END DATE=$(date)"
